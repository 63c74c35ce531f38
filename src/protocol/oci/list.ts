import { tagsPageMax } from "../../domain/limits.ts";
import { ociIndexType } from "../../domain/registry/media-types.ts";
import { type OciResult, ociFail } from "./errors.ts";

/**
 * The `Link` to the next page (RFC 8288; OCI Distribution 1.1, "Listing tags").
 * @example nextLink("/v2/acme/hello/tags/list", { n: "2", last: "v1" })
 * // '</v2/acme/hello/tags/list?n=2&last=v1>; rel="next"'
 */
export function nextLink(path: string, query: Record<string, string>): string {
  return `<${path}?${new URLSearchParams(query)}>; rel="next"`;
}

/**
 * How many entries a page has at most.
 * @param text the value of `?n`: 0 is a list without any; null or empty is the longest
 * @returns at most `tagsPageMax`; `UNSUPPORTED` with the status 400 where it is no whole number
 */
export function parsePageSize(text: string | null): OciResult<number> {
  if (text === null || text === "") return { ok: true, value: tagsPageMax };
  if (/^\d+$/.test(text)) return { ok: true, value: Math.min(Number(text), tagsPageMax) };
  return ociFail("UNSUPPORTED", "`n` is a whole number of entries, 0 or more", { status: 400 });
}

/** A manifest that has another one as its subject, as a descriptor. */
export interface Referrer {
  mediaType: string;
  digest: string;
  size: number;
  artifactType: string | null;
  annotations: Record<string, string> | null;
}

/** OCI Distribution 1.1, "Listing referrers": an index, also when there are none. */
export function referrersIndex(referrers: readonly Referrer[]) {
  return {
    schemaVersion: 2,
    mediaType: ociIndexType,
    manifests: referrers.map(({ artifactType, annotations, ...descriptor }) => ({
      ...descriptor,
      ...(artifactType === null ? {} : { artifactType }),
      ...(annotations === null ? {} : { annotations }),
    })),
  };
}
