import { manifestMaxBytes, tagsOfOnePushMax } from "../../domain/limits.ts";
import { tagPattern } from "../../domain/pins/images.ts";
import { algorithmOf, digestOf } from "../../protocol/oci/digest.ts";
import { type OciResult, ociFail } from "../../protocol/oci/errors.ts";
import { parseManifest } from "../../protocol/oci/manifest.ts";
import { conditionAnswer, conditionsOf, ociAnswer } from "./answer.ts";
import { answered, type RegistryCall, type RegistryHandler } from "./call.ts";
import { type Aside, PieceReader } from "./piece-reader.ts";

/** `GET` and `HEAD …/manifests/<tag or digest>`. */
export const getManifest: RegistryHandler = async ({ request, registry, repository, reference }) => {
  const kind = referenceKind(reference);
  if (kind === "bad digest") return digestInvalid(reference);
  const manifest = kind === "bad tag" ? null : await registry.manifest(repository, reference);
  if (!manifest) return ociFail("MANIFEST_UNKNOWN", `manifest \`${reference.slice(0, 160)}\` not found`);
  const described = {
    "docker-content-digest": manifest.digest,
    etag: `"${manifest.digest}"`,
    // The next push may move a tag.
    "cache-control": kind === "digest" ? "private, max-age=31536000, immutable, no-transform" : "no-store",
  };
  const unmet = conditionAnswer(request, manifest.digest, described);
  if (unmet) return answered(unmet);
  const headers = {
    ...described,
    "content-type": manifest.mediaType,
    "content-length": String(manifest.bytes.byteLength),
  };
  return answered(ociAnswer(200, headers, request.method === "HEAD" ? null : manifest.bytes));
};

/** `PUT …/manifests/<tag or digest>`. */
export const putManifest: RegistryHandler = async (call) => {
  const { request, registry, repository, registryHost, reference, url, name } = call;
  const kind = referenceKind(reference);
  if (kind === "bad digest") return digestInvalid(reference);
  if (kind === "bad tag") return tagInvalid(reference);
  const tags = kind === "tag" ? [reference] : [...new Set(url.searchParams.getAll("tag"))];
  const badTag = tags.find((tag) => !tagPattern.test(tag));
  if (badTag !== undefined) return tagInvalid(badTag);
  if (tags.length > tagsOfOnePushMax) {
    return ociFail("MANIFEST_INVALID", `one push sets at most ${tagsOfOnePushMax} tags`, { status: 414 });
  }

  const bytes = await readBytes(call);
  if (!bytes.ok) return bytes;
  const algorithm = (kind === "digest" ? algorithmOf(reference) : null) ?? "sha256";
  const digest = await digestOf(algorithm, bytes.value);
  if (kind === "digest" && digest !== reference) {
    return ociFail("DIGEST_INVALID", `the manifest has the digest ${digest}, not ${reference}`);
  }
  const facts = parseManifest(bytes.value, request.headers.get("content-type"));
  if (!facts.ok) return facts;
  const put = await registry.putManifest(repository, {
    digest,
    bytes: bytes.value,
    facts: facts.value,
    tags,
    registryHost,
    by: call.caller,
    conditions: conditionsOf(request),
  });
  if (!put.ok) return { ok: false, error: put.error };
  const response = ociAnswer(201, {
    location: `/v2/${name}/manifests/${digest}`,
    "docker-content-digest": digest,
    "content-length": "0",
  });
  if (facts.value.subject !== null) response.headers.set("oci-subject", facts.value.subject);
  if (kind === "digest") for (const tag of tags) response.headers.append("oci-tag", tag);
  return answered(response);
};

/** `DELETE …/manifests/<tag or digest>`. */
export const deleteManifest: RegistryHandler = async ({ request, registry, repository, reference }) => {
  const kind = referenceKind(reference);
  if (kind === "bad digest") return digestInvalid(reference);
  if (kind === "bad tag") return ociFail("MANIFEST_UNKNOWN", `tag \`${reference.slice(0, 160)}\` not found`);
  const conditions = conditionsOf(request);
  const deleted =
    kind === "tag"
      ? await registry.deleteTag(repository, reference, conditions)
      : await registry.deleteManifest(repository, reference, conditions);
  return deleted.ok
    ? answered(ociAnswer(202, { "content-length": "0" }))
    : { ok: false, error: deleted.error };
};

/** A reference with a colon is a digest, since tags have none. */
function referenceKind(reference: string): "tag" | "digest" | "bad tag" | "bad digest" {
  if (reference.includes(":")) return algorithmOf(reference) === null ? "bad digest" : "digest";
  return tagPattern.test(reference) ? "tag" : "bad tag";
}

/** The body of a request. A manifest of more than a block takes room in memory like a part of a blob. */
async function readBytes({ request, room }: RegistryCall): Promise<OciResult<Uint8Array<ArrayBuffer>>> {
  const tooLarge = ociFail("SIZE_INVALID", `a manifest has at most ${manifestMaxBytes} bytes`, {
    status: 413,
  });
  if (Number(request.headers.get("content-length") ?? 0) > manifestMaxBytes) return tooLarge;
  const source = request.body ? { body: request.body } : {};
  const options = { room, size: manifestMaxBytes + 1, atMost: manifestMaxBytes, aside: nowhere };
  const reader = new PieceReader(source, options);
  try {
    const { bytes } = await reader.next();
    return bytes.byteLength > manifestMaxBytes ? tooLarge : { ok: true, value: bytes.slice() };
  } catch (error) {
    if (!(error instanceof Stalled)) throw error;
    return ociFail(
      "TOOMANYREQUESTS",
      "nothing came of the manifest for a while, and others wait for the room",
    );
  } finally {
    await reader.close({ keepsBody: true });
  }
}

class Stalled extends Error {}

/** A manifest is too little to be put into the store meanwhile: its client sends it again. */
const nowhere: Aside = {
  async put() {
    throw new Stalled();
  },
  async get() {
    throw new Error("nothing was put aside");
  },
};

function tagInvalid(tag: string) {
  return ociFail(
    "MANIFEST_INVALID",
    `\`${tag.slice(0, 160)}\` is not a tag: at most 128 of A-Z a-z 0-9 _ . -, not beginning with . or -`,
  );
}

function digestInvalid(text: string) {
  return ociFail("DIGEST_INVALID", `\`${text.slice(0, 160)}\` is not a digest`);
}
