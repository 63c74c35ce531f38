/** The conditions of a request for what has an ETag (RFC 9110 13.1); null where it has none of that kind. */
export interface Conditions {
  ifMatch: string | null;
  ifNoneMatch: string | null;
}

/**
 * What is answered to a read (RFC 9110 13.2.2): the content, 304 or 412.
 * @param digest of what is there, whose ETag is the digest in quotes
 */
export function judgeRead({ ifMatch, ifNoneMatch }: Conditions, digest: string): 200 | 304 | 412 {
  if (ifMatch !== null && !matches(ifMatch, digest, "strongly")) return 412;
  return ifNoneMatch !== null && matches(ifNoneMatch, digest, "weakly") ? 304 : 200;
}

/**
 * Whether a write may go on (RFC 9110 13.2.2); else it is 412 and changes nothing.
 * @param digest of what is there; null where nothing is, which only `If-Match` minds
 */
export function permitsWrite({ ifMatch, ifNoneMatch }: Conditions, digest: string | null): boolean {
  if (digest === null) return ifMatch === null;
  return judgeRead({ ifMatch, ifNoneMatch }, digest) === 200;
}

/** Whether a `Range` holds (RFC 9110 13.1.5). @param ifRange null where the request has none. A date never matches. */
export function rangeHolds(ifRange: string | null, digest: string): boolean {
  return ifRange === null || ifRange.trim() === `"${digest}"`;
}

/** An entity tag, which may have commas in it (RFC 9110 8.8.3), or the asterisk that stands for any. */
const listed = /(W\/)?"([^"]*)"|\*/g;

/** Whether a list of entity tags has that of a digest. Strongly, a weak tag never matches (RFC 9110 8.8.3.2). */
function matches(list: string, digest: string, how: "strongly" | "weakly"): boolean {
  return [...list.matchAll(listed)].some(
    ([text, weak, tag]) => text === "*" || (tag === digest && (how === "weakly" || weak === undefined)),
  );
}
