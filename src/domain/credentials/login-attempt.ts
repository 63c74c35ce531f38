import { loginCodeTries } from "../limits.ts";
import { fail, ok, type Result } from "../result.ts";

/** Who logs in: the holder of an access token, at a browser. */
export interface LoginPerson {
  account: string;
  tokenId: string;
  /** The session of that token which they act in, where it is one: what has been begun in it ends with it. */
  sessionId?: string;
}

/** A login of the CLI that a person has confirmed. One that nobody has confirmed is kept nowhere. */
export interface LoginAttempt extends LoginPerson {
  /** Four digits, shown to the person and typed into the CLI. */
  code: string;
  wrongTries: number;
  /** Whether the CLI has been given its session. */
  completed: boolean;
  /** Milliseconds since the epoch. */
  expiresAt: number;
}

/**
 * A code of four digits, each as likely as any other.
 * @param random16 gives a uniform number of 16 bits, anew at each call
 */
export function loginCode(random16: () => number): string {
  // 65,536 is no multiple of 10,000: numbers past the last one would make some codes likelier.
  for (;;) {
    const number = random16();
    if (number < 60_000) return String(number % 10_000).padStart(4, "0");
  }
}

/**
 * The attempt once `person` has confirmed it. Confirmed again by the same person it stays as it is, and shows the same
 * code.
 * @param attempt what is known of it; undefined before the first confirmation
 * @param person with the end of the attempt, as its verified token says
 * @param newCode the code, should it be the first confirmation
 * @returns `login_taken` where somebody else was first, `login_not_found` where it is over
 */
export function confirmLogin(
  attempt: LoginAttempt | undefined,
  { expiresAt, ...person }: LoginPerson & { expiresAt: number },
  newCode: () => string,
  now: number,
): Result<LoginAttempt> {
  if ((attempt?.expiresAt ?? expiresAt) <= now) return loginNotFound();
  if (!attempt) {
    return ok({ ...person, expiresAt, code: newCode(), wrongTries: 0, completed: false });
  }
  if (attempt.account !== person.account || attempt.tokenId !== person.tokenId) {
    return fail("login_taken", "somebody else has confirmed this login; begin another one");
  }
  return isOpen(attempt, now) ? ok(attempt) : loginNotFound();
}

/**
 * What a try of the code does to an attempt. `loginCodeTries` wrong ones end it.
 * @param isRight whether the code was the right one
 * @returns `attempt`, to be kept in either case; `answer`, who logs in: `forbidden` for a wrong code, with the tries that
 *   are left, `login_not_found` where the attempt is over
 */
export function tryLoginCode(
  attempt: LoginAttempt,
  isRight: boolean,
  now: number,
): { attempt: LoginAttempt; answer: Result<LoginPerson> } {
  if (!isOpen(attempt, now)) return { attempt, answer: loginNotFound() };
  if (isRight) {
    const { code, wrongTries, completed, expiresAt, ...person } = attempt;
    return { attempt: { ...attempt, completed: true }, answer: ok(person) };
  }
  const wrongTries = attempt.wrongTries + 1;
  const left = loginCodeTries - wrongTries;
  const consequence =
    left === 0 ? "no tries left: begin another login" : `${left} ${left === 1 ? "try" : "tries"} left`;
  return {
    attempt: { ...attempt, wrongTries },
    answer: fail("forbidden", `this is not the code that the page shows; ${consequence}`, {
      details: { tries_left: left },
    }),
  };
}

function isOpen({ completed, wrongTries, expiresAt }: LoginAttempt, now: number): boolean {
  return !completed && wrongTries < loginCodeTries && now < expiresAt;
}

/** The failure for a login that cannot be completed: one for all reasons, so that nobody learns which logins there are. */
export function loginNotFound() {
  return fail("login_not_found", "this login is unknown, not confirmed yet, or over; begin another one");
}
