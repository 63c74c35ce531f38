import { createHash, randomBytes } from "node:crypto";
import { ociImageType } from "../../../src/domain/registry/media-types.ts";

export interface Blob {
  mediaType: string;
  digest: string;
  bytes: Buffer;
}

export interface Image {
  config: Blob;
  layers: readonly Blob[];
  manifest: Blob;
}

/** An image of random layers, which no registry can have: nothing of a push of it is skipped. */
export function randomImage(layerCount: number, layerBytes: number): Image {
  const layers = Array.from({ length: layerCount }, () =>
    blobOf("application/vnd.oci.image.layer.v1.tar", randomBytes(layerBytes)),
  );
  const config = jsonBlob("application/vnd.oci.image.config.v1+json", {
    architecture: "amd64",
    os: "linux",
    config: { Cmd: ["/hello"] },
    rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => digest) },
  });
  const manifest = jsonBlob(ociImageType, {
    schemaVersion: 2,
    mediaType: ociImageType,
    config: descriptorOf(config),
    layers: layers.map(descriptorOf),
  });
  return { config, layers, manifest };
}

function jsonBlob(mediaType: string, value: object): Blob {
  return blobOf(mediaType, Buffer.from(JSON.stringify(value)));
}

function blobOf(mediaType: string, bytes: Buffer): Blob {
  return { mediaType, digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}`, bytes };
}

function descriptorOf({ mediaType, digest, bytes }: Blob) {
  return { mediaType, digest, size: bytes.length };
}
