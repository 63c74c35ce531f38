/** The conditions of a request for what has an ETag (RFC 9110 13.1); null where it has none of that kind. */
export interface ReadConditions {
  ifMatch: string | null;
  ifNoneMatch: string | null;
}

/**
 * What is answered to a read (RFC 9110 13.2.2): the content, 304 or 412.
 * @param digest of what is there, whose ETag is the digest in quotes
 */
export function judgeRead({ ifMatch, ifNoneMatch }: ReadConditions, digest: string): 200 | 304 | 412 {
  // A weak ETag never matches strongly (RFC 9110 8.8.3.2).
  if (ifMatch !== null && !hasTag(ifMatch, digest)) return 412;
  return ifNoneMatch !== null && hasTag(ifNoneMatch.replaceAll("W/", ""), digest) ? 304 : 200;
}

/** Whether a `Range` holds (RFC 9110 13.1.5). @param ifRange null where the request has none. A date never matches. */
export function rangeHolds(ifRange: string | null, digest: string): boolean {
  return ifRange === null || ifRange.trim() === `"${digest}"`;
}

function hasTag(list: string, digest: string): boolean {
  return list.split(",").some((tag) => tag.trim() === "*" || tag.trim() === `"${digest}"`);
}
