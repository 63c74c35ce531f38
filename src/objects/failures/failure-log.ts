import type { Result } from "../../domain/result.ts";
import { budgetSpent, storageFull, unreached } from "./unreached.ts";

const messageMaxCharacters = 500;
const stackMaxCharacters = 4_000;

interface Streak {
  failures: number;
  /** Milliseconds since the epoch. */
  since: number;
}

/**
 * The failures that an object lives with, because it retries or can do without what failed. Of what could not be reached,
 * had no room to write, or was one call too many, one line is logged when a streak of failures begins and one when it
 * ends; an error that cannot be classified is logged every time, since it is a bug that the retries would hide. Each line
 * is one JSON object, whose fields the platform's logs are searched by.
 */
export class FailureLog {
  readonly #where: string;
  readonly #streaks = new Map<string, Streak>();

  /** @param where what keeps the log, as the lines name it: a class, and which of its objects */
  constructor(where: string) {
    this.#where = where;
  }

  /** @param what the activity that failed, the same words each time: a streak is one activity's */
  failed(what: string, error: unknown): void {
    const streak = this.#streaks.get(what) ?? { failures: 0, since: Date.now() };
    streak.failures += 1;
    this.#streaks.set(what, streak);
    const kind = kindOf(error);
    if (kind !== null && streak.failures > 1) return;
    const message = { error: String(error).slice(0, messageMaxCharacters) };
    console.error(
      kind === null
        ? this.#line("unclassified_error", what, streak, { ...message, ...stackOf(error) })
        : this.#line(kind, what, streak, message),
    );
  }

  /**
   * Makes a call that its caller retries, or can do without.
   * @returns null where it failed, which is logged
   */
  async attempt<T>(what: string, call: () => Promise<T>): Promise<{ value: T } | null> {
    try {
      const value = await call();
      this.succeeded(what);
      return { value };
    } catch (error) {
      this.failed(what, error);
      return null;
    }
  }

  /** The same for a call that may not be refused either: a failure that it answers counts as an unclassified error. */
  attemptResult<T>(what: string, call: () => Promise<Result<T>>): Promise<{ value: T } | null> {
    return this.attempt(what, async () => {
      const result = await call();
      if (!result.ok) throw new Error(`${result.error.code}: ${result.error.message}`);
      return result.value;
    });
  }

  /** Ends the streak of an activity, if it has one. */
  succeeded(what: string): void {
    const streak = this.#streaks.get(what);
    if (!streak) return;
    this.#streaks.delete(what);
    console.log(this.#line("recovered", what, streak));
  }

  #line(
    event: string,
    what: string,
    { failures, since }: Streak,
    error: Record<string, string> = {},
  ): string {
    const times = { failures, since: new Date(since).toISOString() };
    return JSON.stringify({ event, where: this.#where, what, ...times, ...error });
  }
}

/** What is known of an error's cause; null where it may be a bug. */
function kindOf(error: unknown): "storage_full" | "unreached" | "budget_spent" | null {
  if (storageFull(error)) return "storage_full";
  if (unreached(error)) return "unreached";
  return budgetSpent(error) ? "budget_spent" : null;
}

function stackOf(error: unknown): { stack?: string } {
  const stack = error instanceof Error ? error.stack : undefined;
  return stack === undefined ? {} : { stack: stack.slice(0, stackMaxCharacters) };
}

/** The log of one object's failures. */
export function objectFailures({ id }: DurableObjectState, className: string): FailureLog {
  return new FailureLog(`${className} ${id.name ?? id.toString()}`);
}
