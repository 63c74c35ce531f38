import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { imageLayersMax, manifestMaxBytes } from "../../../../domain/limits.ts";
import { fail, ok, type Result } from "../../../../domain/result.ts";
import type { OciResult } from "../../../../protocol/oci/errors.ts";
import {
  type Descriptor,
  type ImageConfig,
  type Platform,
  readImageConfig,
  readManifest,
} from "../../../../protocol/oci/pull.ts";
import { isDiskFull, messageOf } from "../../../log.ts";
import type { ContentKind, RegistryClient } from "../../../registry/client.ts";
import type { ContentStore } from "../../../registry/content-store.ts";
import type { RuntimeImage } from "../../runtime.ts";
import { type SharedWork, sharedWork } from "../../shared-work.ts";
import { SessionTrees, type SessionTreesOptions } from "../trees/session-trees.ts";
import { imageCommand, type LocalImage } from "./image-command.ts";
import { localPlatform } from "./platform.ts";
import { placeInRoot, statOf } from "./root-path.ts";
import { unpackLayers } from "./unpack.ts";
import { type UnpackingLimits, unpackingLimits } from "./unpacking-limits.ts";

/** What an image runs, pulled first where that has not been done. `image_not_found` where there is none. */
export type ImageCommands = (
  image: Pick<RuntimeImage, "repository" | "digest">,
  signal: AbortSignal,
) => Promise<Result<LocalImage>>;

export interface ImageStoreOptions {
  content: ContentStore;
  registry: RegistryClient;
  /** Which image to take of those for several platforms; this machine's where it is left out. */
  platform?: Platform;
  limits?: UnpackingLimits;
  /** Copies images for sessions; those of `content` where it is left out. */
  trees?: SessionTrees;
}

/** Those that copy the images of a store. */
export function sessionTrees(
  { dir }: Pick<ContentStore, "dir">,
  { limits = unpackingLimits, ...options }: Partial<Omit<SessionTreesOptions, "dir">> = {},
): SessionTrees {
  return new SessionTrees({ dir: join(dir, "spares"), limits, ...options });
}

/** How many layers of an image are pulled at a time. */
const layersAtOnce = 3;
const configMaxBytes = 4 * 1024 * 1024;
/** In the folder of an unpacked image: its root file system. What sessions ran in by earlier versions is in `rootfs`. */
const rootName = "root";

/**
 * Pulls images by digest and keeps them unpacked on disk, to be copied for each session. Every byte is verified before it
 * is used, nothing that was verified is pulled again, and concurrent pulls of the same share one.
 */
export function imageStore({
  content,
  registry,
  platform = localPlatform,
  limits = unpackingLimits,
  trees = sessionTrees(content, { limits }),
}: ImageStoreOptions): ImageCommands {
  const shared: SharedWork<Result<string>> = sharedWork();

  /** @returns where the bytes are */
  async function pull(
    repository: string,
    kind: ContentKind,
    digest: string,
    size: number | { atMost: number },
    signal: AbortSignal,
  ): Promise<Result<string>> {
    return shared(`blob ${digest}`, signal, async (working) => {
      const kept = await content.blob(digest);
      if (kept !== null) return ok(kept);
      const opened = await registry.open(repository, kind, digest, working);
      return opened.ok ? content.addBlob({ digest, size }, opened.value, working) : opened;
    });
  }

  /** The manifest of this platform's image: that of the digest, or one that it lists. */
  async function pullManifest(repository: string, requested: string, signal: AbortSignal) {
    let digest = requested;
    let size: number | { atMost: number } = { atMost: manifestMaxBytes };
    for (const isListed of [false, true]) {
      const pulled = await pull(repository, "manifests", digest, size, signal);
      if (!pulled.ok) return pulled;
      const manifest = usable(digest, readManifest(await readFile(pulled.value)));
      if (!manifest.ok) return manifest;
      if (manifest.value.kind === "image") return ok({ digest, ...manifest.value });
      if (isListed) break;
      const { os, architecture } = platform;
      const own = manifest.value.manifests.find(
        (listed) => listed.platform?.os === os && listed.platform.architecture === architecture,
      );
      if (!own) return fail("image_not_found", `\`${digest}\` has no image for ${os}/${architecture}`);
      if (own.size > manifestMaxBytes)
        return fail("internal_error", `manifest \`${own.digest}\` is too large`);
      digest = own.digest;
      size = own.size;
    }
    return fail("internal_error", `\`${requested}\` lists a list of images, which is not followed`);
  }

  async function pullConfig(repository: string, config: Descriptor, signal: AbortSignal) {
    if (config.size > configMaxBytes)
      return fail("internal_error", `configuration \`${config.digest}\` is too large`);
    const pulled = await pull(repository, "blobs", config.digest, config.size, signal);
    return pulled.ok ? usable(config.digest, readImageConfig(await readFile(pulled.value, "utf8"))) : pulled;
  }

  /** @returns where the layers are, in their order */
  async function pullLayers(
    repository: string,
    layers: readonly Descriptor[],
    signal: AbortSignal,
  ): Promise<Result<string[]>> {
    const paths: string[] = [];
    const giveUp = new AbortController();
    const working = AbortSignal.any([signal, giveUp.signal]);
    let failure: Result<string[]> | undefined;
    const ahead = layers.entries();
    const worker = async () => {
      for (const [index, { digest, size }] of ahead) {
        const pulled = await pull(repository, "blobs", digest, size, working);
        if (pulled.ok) {
          paths[index] = pulled.value;
          continue;
        }
        failure ??= pulled;
        giveUp.abort();
        return;
      }
    };
    const workers = await Promise.allSettled(Array.from({ length: layersAtOnce }, worker));
    if (failure) return failure;
    for (const ended of workers) if (ended.status === "rejected") throw ended.reason;
    return ok(paths);
  }

  /** @returns the root file system's folder */
  async function unpack(
    repository: string,
    image: { digest: string; layers: Descriptor[] },
    config: ImageConfig,
    signal: AbortSignal,
  ): Promise<Result<string>> {
    const dirOf = (path: string) => ok(join(path, rootName));
    return shared(`root ${image.digest}`, signal, async (working) => {
      const kept = await content.root(image.digest);
      if (kept !== null && (await statOf(join(kept, rootName)))) return dirOf(kept);
      const diffIds = config.rootfs.diff_ids;
      if (diffIds.length !== image.layers.length) {
        return fail("internal_error", `\`${image.digest}\` has other layers than its configuration says`);
      }
      const problem = tooMuch(image.layers, limits);
      if (problem !== null)
        return fail("internal_error", `image \`${image.digest}\` is not pulled: ${problem}`);
      const pulled = await pullLayers(repository, image.layers, working);
      if (!pulled.ok) return pulled;
      const layers = pulled.value.map((path, index) => ({ path, diffId: diffIds[index] ?? "" }));
      const made = await content.addRoot(image.digest, async (unfinished) => {
        const root = join(unfinished, rootName);
        try {
          await mkdir(root);
          await unpackLayers(root, layers, working, limits);
          await placeInRoot(root, config.config?.WorkingDir || "/", { missing: "make", isDirectory: true });
          return ok(null);
        } catch (error) {
          if (isDiskFull(error)) throw error;
          return fail("internal_error", `image \`${image.digest}\` is not unpacked: ${messageOf(error)}`);
        }
      });
      return made.ok ? dirOf(made.value) : made;
    });
  }

  /** @returns where the image's files are, and what it runs there */
  async function pullImage(repository: string, digest: string, signal: AbortSignal) {
    const image = await pullManifest(repository, digest, signal);
    if (!image.ok) return image;
    const config = await pullConfig(repository, image.value.config, signal);
    if (!config.ok) return config;
    const root = await unpack(repository, image.value, config.value, signal);
    if (!root.ok) return root;
    const command = await imageCommand(root.value, config.value);
    return command.ok ? ok({ root: root.value, commandIn: command.value }) : command;
  }

  return async ({ repository, digest }, signal) => {
    const pulled = await trees.withRoom(() => pullImage(repository, digest, signal));
    if (!pulled.ok) return pulled;
    const { root, commandIn } = pulled.value;
    const files = {
      prepare: () => trees.prepare(root),
      copyTo: async (path: string) => {
        await trees.give(root, path);
        return commandIn(path);
      },
      withRoom: <T>(work: () => Promise<T>) => trees.withRoom(work),
    };
    return ok({ ...commandIn(root), files });
  };
}

/** What of an image's layers, as its manifest lists them, is beyond the limits; null for nothing. */
function tooMuch(layers: readonly Descriptor[], { imageMaxBytes, layerMaxBytes }: UnpackingLimits) {
  if (layers.length > imageLayersMax)
    return `it has ${layers.length} layers; at most ${imageLayersMax} are pulled`;
  if (layers.some(({ size }) => size > layerMaxBytes)) return `a layer has more than ${layerMaxBytes} bytes`;
  const bytes = layers.reduce((sum, { size }) => sum + size, 0);
  return bytes > imageMaxBytes ? `its layers have more than ${imageMaxBytes} bytes` : null;
}

function usable<T>(digest: string, read: OciResult<T>): Result<T> {
  return read.ok ? ok(read.value) : fail("internal_error", `\`${digest}\`: ${read.error.message}`);
}
