import type { ByteRange } from "../../domain/registry/upload.ts";

/**
 * Reads the `Content-Range` of a chunk: `<start>-<end>`, both inclusive (OCI Distribution 1.1, "Pushing a blob in
 * chunks"), also in the form of RFC 9110 with its unit and length.
 * @returns the range in bytes; null where it is malformed
 * @example parseContentRange("0-99") // { start: 0, end: 99 }
 */
export function parseContentRange(header: string): ByteRange | null {
  const match = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d+|\*))?$/.exec(header.trim());
  if (match === null) return null;
  const range = { start: Number(match[1]), end: Number(match[2]) };
  return range.end >= range.start ? range : null;
}

/**
 * The `Range` of an upload in progress. Docker rejects an end before the start, also where nothing was received yet.
 * @param offset how many bytes were received
 */
export function formatUploadRange(offset: number): string {
  return `0-${Math.max(offset - 1, 0)}`;
}

/**
 * Reads a request's `Range` (RFC 9110 14.2) against a length in bytes.
 * @returns null for one that is to be ignored: another unit, several ranges, or malformed
 */
export function parseRange(header: string, length: number): ByteRange | "unsatisfiable" | null {
  const match = /^bytes=(?:(\d{1,15})-(\d{1,15})?|-(\d{1,15}))$/.exec(header.trim());
  if (match === null) return null;
  const [, first, last, suffix] = match;
  const start = suffix === undefined ? Number(first) : Math.max(length - Number(suffix), 0);
  const end = last === undefined ? Number.POSITIVE_INFINITY : Number(last);
  if (end < start) return null;
  return start >= length ? "unsatisfiable" : { start, end: Math.min(end, length - 1) };
}
