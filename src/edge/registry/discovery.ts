import { ociIndexType } from "../../domain/registry/media-types.ts";
import { algorithmOf } from "../../protocol/oci/digest.ts";
import { ociFail } from "../../protocol/oci/errors.ts";
import { nextLink, parsePageSize, referrersIndex } from "../../protocol/oci/list.ts";
import { ociJson } from "./answer.ts";
import { answered, type RegistryHandler } from "./call.ts";

/** `GET …/tags/list?n=&last=`. */
export const listTags: RegistryHandler = async ({ registry, repository, url, name }) => {
  const limit = parsePageSize(url.searchParams.get("n"));
  if (!limit.ok) return limit;
  const last = url.searchParams.get("last") ?? "";
  const { tags, more } = await registry.tags(repository, { last, limit: limit.value });
  const lastShown = tags.at(-1);
  const headers: Record<string, string> =
    more && lastShown !== undefined
      ? { link: nextLink(`/v2/${name}/tags/list`, { n: String(limit.value), last: lastShown }) }
      : {};
  return answered(ociJson({ name, tags }, headers));
};

/** `GET …/referrers/<digest>?artifactType=`. */
export const listReferrers: RegistryHandler = async ({ registry, repository, url, name, reference }) => {
  if (algorithmOf(reference) === null) {
    return ociFail("DIGEST_INVALID", `\`${reference.slice(0, 160)}\` is not a digest`);
  }
  const artifactType = url.searchParams.get("artifactType") || null;
  const last = url.searchParams.get("last") ?? "";
  const { referrers, next } = await registry.referrers(repository, reference, { artifactType, last });
  const query = artifactType === null ? {} : { artifactType };
  const headers: Record<string, string> = {
    "content-type": ociIndexType,
    ...(artifactType === null ? {} : { "oci-filters-applied": "artifactType" }),
    ...(next === null
      ? {}
      : { link: nextLink(`/v2/${name}/referrers/${reference}`, { ...query, last: next }) }),
  };
  return answered(ociJson(referrersIndex(referrers), headers));
};
