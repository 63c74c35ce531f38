import { createHash } from "node:crypto";
import { localPlatform } from "../agent/runtimes/process/images/platform.ts";
import { ociImageType } from "../domain/registry/media-types.ts";
import type { OwnNode } from "./own-node.ts";
import { tarArchive } from "./tar-archive.ts";

export interface OciBlob {
  mediaType: string;
  digest: string;
  bytes: Buffer;
}

/** An image as it is pushed. */
export interface OciImage {
  config: OciBlob;
  layers: OciBlob[];
  manifest: OciBlob;
}

const workingDir = "/app";
const scriptName = "main.cjs";
const nobody = "65534:65534";

/** A layer that holds a Node; images may share it. */
export interface NodeLayer {
  layer: OciBlob;
  libraryPath: string;
}

export function nodeLayer({ files, libraryPath }: OwnNode): NodeLayer {
  return { layer: layerOf(tarArchive(files)), libraryPath };
}

/**
 * An image that runs one Node program. Without a Node in it, it is for the process runtime. With one it is for
 * containers, where `HOST` has the program listen on every address: the engine's proxy does not use the loopback.
 * @returns the same bytes for the same program and Node, whenever and wherever it is built
 */
export function nodeImage(program: string, node?: NodeLayer): OciImage {
  const script = layerOf(
    tarArchive([{ path: `${workingDir.slice(1)}/${scriptName}`, bytes: Buffer.from(program) }]),
  );
  const layers = [...(node ? [node.layer] : []), script];
  const config = jsonBlob("application/vnd.oci.image.config.v1+json", {
    // A script runs on any; OCI Image 1.1 requires one.
    architecture: node ? localPlatform.architecture : "amd64",
    os: "linux",
    config: {
      Entrypoint: ["node"],
      Cmd: [scriptName],
      WorkingDir: workingDir,
      ...(node && { Env: [`LD_LIBRARY_PATH=${node.libraryPath}`, "HOST=0.0.0.0"], User: nobody }),
    },
    rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => digest) },
  });
  const manifest = jsonBlob(ociImageType, {
    schemaVersion: 2,
    mediaType: ociImageType,
    config: descriptor(config),
    layers: layers.map(descriptor),
  });
  return { config, layers, manifest };
}

/** Not compressed: what gzip makes of something differs between versions of zlib, and takes seconds for a Node. */
function layerOf(archive: Buffer): OciBlob {
  return blob("application/vnd.oci.image.layer.v1.tar", archive);
}

function jsonBlob(mediaType: string, value: object): OciBlob {
  return blob(mediaType, Buffer.from(JSON.stringify(value)));
}

function blob(mediaType: string, bytes: Buffer): OciBlob {
  return { mediaType, digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}`, bytes };
}

function descriptor({ mediaType, digest, bytes }: OciBlob) {
  return { mediaType, digest, size: bytes.length };
}
