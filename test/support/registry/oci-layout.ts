import { createHash, randomBytes } from "node:crypto";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { ociImageType, ociIndexType } from "../../../src/domain/registry/media-types.ts";

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  platform?: { os: string; architecture: string };
}

export interface OciLayout {
  /** As skopeo names what is in it. */
  reference: string;
  /** Of the image or index that the name stands for. */
  digest: string;
  /** Of the images, one an architecture, in the order of the argument. */
  imageDigests: string[];
}

/** What a layout's configs and layers are said to be. */
export interface LayoutTypes {
  config: string;
  layer: string;
}

const typesOfImage: LayoutTypes = {
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar+gzip",
};

/**
 * Writes an OCI image layout with an image of one random layer for each architecture, and an index of them where
 * there are several.
 * @param path of a folder that is not there yet
 */
export async function writeOciLayout(
  path: string,
  architectures: readonly string[],
  layerBytes: number,
  types = typesOfImage,
): Promise<OciLayout> {
  const blobs = join(path, "blobs", "sha256");
  await mkdir(blobs, { recursive: true });

  async function blob(mediaType: string, bytes: Buffer): Promise<Descriptor> {
    const hex = createHash("sha256").update(bytes).digest("hex");
    await writeFile(join(blobs, hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  }
  const json = (mediaType: string, value: object) => blob(mediaType, Buffer.from(JSON.stringify(value)));

  const images: Descriptor[] = [];
  for (const architecture of architectures) {
    const content = randomBytes(layerBytes);
    const layer = await blob(types.layer, gzipSync(content, { level: 1 }));
    const diffId = `sha256:${createHash("sha256").update(content).digest("hex")}`;
    const config = await json(types.config, {
      architecture,
      os: "linux",
      config: { Cmd: ["/hello"] },
      rootfs: { type: "layers", diff_ids: [diffId] },
    });
    const image = await json(ociImageType, {
      schemaVersion: 2,
      mediaType: ociImageType,
      config,
      layers: [layer],
    });
    images.push({ ...image, platform: { os: "linux", architecture } });
  }
  const [only, second] = images;
  const named =
    only && !second
      ? only
      : await json(ociIndexType, { schemaVersion: 2, mediaType: ociIndexType, manifests: images });
  await writeFile(join(path, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  const annotations = { "org.opencontainers.image.ref.name": "made" };
  const index = { schemaVersion: 2, manifests: [{ ...named, annotations }] };
  await writeFile(join(path, "index.json"), JSON.stringify(index));
  return {
    reference: `oci:${path}:made`,
    digest: named.digest,
    imageDigests: images.map(({ digest }) => digest),
  };
}

/** The sha256 digests of all blobs in a layout, in hexadecimal, sorted: skopeo has verified those that it wrote. */
export async function blobsOfLayout(path: string): Promise<string[]> {
  return (await readdir(join(path, "blobs", "sha256"))).sort();
}
