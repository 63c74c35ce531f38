import { createHash } from "node:crypto";
import { Header } from "tar";

/** An entry of a layer: a file where it has nothing else. */
export interface LayerEntry {
  path: string;
  type?:
    | "File"
    | "Directory"
    | "SymbolicLink"
    | "Link"
    | "CharacterDevice"
    | "BlockDevice"
    | "FIFO"
    | "GNUDumpDir";
  text?: string;
  mode?: number;
  linkpath?: string;
}

const blockBytes = 512;

/** A tar archive with exactly these entries, however bad they are. */
export function tarOf(entries: readonly LayerEntry[]): Buffer {
  const parts = entries.flatMap(({ path, type = "File", text = "", mode = 0o644, linkpath }) => {
    const bytes = Buffer.from(text);
    const header = new Header({
      path,
      type,
      mode,
      size: bytes.length,
      ...(linkpath === undefined ? {} : { linkpath }),
    });
    const block = Buffer.alloc(blockBytes);
    if (header.encode(block)) throw new Error(`${path} needs more than a plain header`);
    return [block, bytes, Buffer.alloc((blockBytes - (bytes.length % blockBytes)) % blockBytes)];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * blockBytes)]);
}

export function digestOfBytes(bytes: Uint8Array | string, algorithm = "sha256"): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}

export interface TestLayer {
  bytes: Buffer;
  diffId: string;
}

export function layerOf(
  entries: readonly LayerEntry[],
  compress: (archive: Buffer) => Buffer = (a) => a,
): TestLayer {
  const archive = tarOf(entries);
  return { bytes: compress(archive), diffId: digestOfBytes(archive) };
}

export interface TestImage {
  digest: string;
  manifest: Buffer;
  /** By digest: configuration and layers. */
  blobs: Map<string, Buffer>;
}

export const imageType = "application/vnd.oci.image.manifest.v1+json";
export const indexType = "application/vnd.oci.image.index.v1+json";

/** @param changes to the manifest, which then need not fit */
export function imageOf(
  layers: readonly TestLayer[],
  config: Record<string, unknown> = { Cmd: ["node", "main.mjs"] },
  changes: Record<string, unknown> = {},
): TestImage {
  const rootfs = { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) };
  const configBytes = Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", config, rootfs }));
  const blobs = new Map(
    [configBytes, ...layers.map(({ bytes }) => bytes)].map((bytes) => [digestOfBytes(bytes), bytes]),
  );
  const descriptor = (bytes: Buffer) => ({ digest: digestOfBytes(bytes), size: bytes.length });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: imageType,
      config: { mediaType: "application/vnd.oci.image.config.v1+json", ...descriptor(configBytes) },
      layers: layers.map(({ bytes }) => ({
        mediaType: "application/vnd.oci.image.layer.v1.tar",
        ...descriptor(bytes),
      })),
      ...changes,
    }),
  );
  return { digest: digestOfBytes(manifest), manifest, blobs };
}

/** An index of images, each for a platform of Linux. */
export function indexOf(images: Record<string, TestImage>): { digest: string; manifest: Buffer } {
  const manifests = Object.entries(images).map(([architecture, { digest, manifest }]) => ({
    mediaType: imageType,
    digest,
    size: manifest.length,
    platform: { os: "linux", architecture },
  }));
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests }));
  return { digest: digestOfBytes(manifest), manifest };
}
