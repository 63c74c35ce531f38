import { tagsPageMax } from "../../domain/limits.ts";
import { type OciResult, ociFail } from "./errors.ts";
import { ociIndexType } from "./manifest.ts";

/** RFC 8288, brackets included: the address of the next page. */
export function nextLink(path: string, query: Record<string, string>): string {
  return `<${path}?${new URLSearchParams(query)}>; rel="next"`;
}

/** How many entries a list may answer: `?n`, where 0 is a list without any. */
export function parsePageSize(text: string | null): OciResult<number> {
  if (text === null || text === "") return { ok: true, value: tagsPageMax };
  if (/^\d{1,9}$/.test(text)) return { ok: true, value: Math.min(Number(text), tagsPageMax) };
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
