import { tokenMakersMax } from "../limits.ts";
import { fail, ok, type Result } from "../result.ts";

/** A token, and who made it. A session counts as its token. */
export interface MadeToken {
  tokenId: string;
  /** The ids of the tokens above it: the one that made it, the one that made that, and so on. Absent where it was none. */
  makers?: readonly string[];
}

/**
 * Whether two tokens count as one person: whoever makes a token can hand it to themselves, and so can whoever made the maker.
 * Two tokens of one maker are two people, since else nobody could approve anything in an account where one admin made all
 * tokens: that admin could act as both, and is trusted with it as with all else.
 */
export function isSamePerson(a: MadeToken, b: MadeToken): boolean {
  return a.tokenId === b.tokenId || isMadeBy(a, b) || isMadeBy(b, a);
}

/** Whether one more person counts as one of those who are there: of them all, each is to count once. */
export function isOneOf(people: readonly MadeToken[], one: MadeToken): boolean {
  return people.some((person) => isSamePerson(person, one));
}

/**
 * The makers of a token that is made now, the nearest first.
 * @param maker the token that makes it; null for the deployment itself
 * @returns `forbidden` where so many are above `maker` that not all could be recorded: one that is not would count as another person
 */
export function makersOfNew(maker: MadeToken | null): Result<readonly string[]> {
  if (maker === null) return ok([]);
  const makers = [maker.tokenId, ...(maker.makers ?? [])];
  if (makers.length <= tokenMakersMax) return ok(makers);
  return fail(
    "forbidden",
    `this token may make no others: above it are ${tokenMakersMax} that made one another, the most there may be; use one of those`,
  );
}

function isMadeBy({ makers = [] }: MadeToken, { tokenId }: MadeToken): boolean {
  return makers.includes(tokenId);
}
