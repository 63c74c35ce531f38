import type { RepositoryName } from "../../domain/registry/repository.ts";
import type { BlobStore } from "../../objects/blobs/blob-store.ts";
import { chooseBlobStore } from "../../objects/blobs/choose-blob-store.ts";
import type { RegistryRpc } from "../../objects/contract.ts";
import type { Env } from "../../objects/env.ts";
import { registryStub } from "../../objects/stubs.ts";
import {
  bytesOf,
  type ConfigDescription,
  describeConfig,
  type ManifestContents,
  readContents,
} from "../../protocol/oci/contents.ts";
import type { Descriptor } from "../../protocol/oci/pull.ts";
import { readText } from "../../protocol/remote-answer.ts";

/** Configs are a few kB; an image with a larger one is described by its manifest alone. */
const configReadMaxBytes = 64 * 1024;
const configReadTimeoutMs = 10_000;
/** How many images of an index are read: each takes three reads. */
const imagesRead = 8;

/** A single image that is stored in the deployment's own registry. */
export interface KeptImage {
  layers: Descriptor[];
  /** Of its config and layers. */
  bytes: number;
  /** Null where the config is too large or malformed. */
  config: ConfigDescription | null;
}

export type ImageContents =
  | { kind: "image"; image: KeptImage }
  /** `image` is null where it is not stored here, is no image, or is beyond those that are read. */
  | {
      kind: "index";
      images: { digest: string; size: number; platform: string | null; image: KeptImage | null }[];
    };

type ImageManifest = Extract<ManifestContents, { kind: "image" }>;

/** Reads an image from the deployment's own registry; null where it is not stored there. */
export async function imageContents(
  env: Env,
  repository: RepositoryName,
  digest: string,
): Promise<ImageContents | null> {
  const registry = registryStub(env, repository.account);
  const store = chooseBlobStore(env);
  const found = await contentsOf(registry, repository, digest);
  if (!found) return null;
  if (found.kind === "image") {
    return { kind: "image", image: await keptImage(registry, store, repository, found) };
  }
  const images = await Promise.all(
    found.manifests.map(async (listed, place) => {
      const inside = place < imagesRead ? await contentsOf(registry, repository, listed.digest) : null;
      const image = inside?.kind === "image" ? await keptImage(registry, store, repository, inside) : null;
      return { ...listed, image };
    }),
  );
  return { kind: "index", images };
}

type Reads = Pick<RegistryRpc, "blob" | "manifest">;

async function contentsOf(
  registry: Reads,
  repository: RepositoryName,
  digest: string,
): Promise<ManifestContents | null> {
  const manifest = await registry.manifest(repository, digest);
  return manifest && readContents(manifest.bytes, manifest.mediaType);
}

async function keptImage(
  registry: Reads,
  store: BlobStore | null,
  repository: RepositoryName,
  manifest: ImageManifest,
): Promise<KeptImage> {
  const config = await readConfig(registry, store, repository, manifest.config.digest);
  return { layers: manifest.layers, bytes: bytesOf(manifest), config };
}

async function readConfig(
  registry: Reads,
  store: BlobStore | null,
  repository: RepositoryName,
  digest: string,
): Promise<ConfigDescription | null> {
  const blob = await registry.blob(repository, digest);
  if (!blob || !store || blob.size > configReadMaxBytes) return null;
  const stream = await store.get(blob.key);
  if (!stream) return null;
  const signal = AbortSignal.timeout(configReadTimeoutMs);
  return describeConfig(await readText(new Response(stream), { maxBytes: configReadMaxBytes, signal }));
}
