import { createHash } from "node:crypto";
import { Header } from "tar";
import { ociImageType } from "../protocol/oci/manifest.ts";

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

/**
 * An image that holds one Node program and no Node, for the process runtime.
 * @returns the same bytes for the same program: nothing in it tells when or where it was built
 */
export function nodeImage(program: string): OciImage {
  const archive = archiveOf(`${workingDir.slice(1)}/${scriptName}`, Buffer.from(program));
  // Not compressed: what gzip makes of something differs between versions of zlib.
  const layer = blob("application/vnd.oci.image.layer.v1.tar", archive);
  const config = jsonBlob("application/vnd.oci.image.config.v1+json", {
    // A script runs on any; OCI Image 1.1 wants one named.
    architecture: "amd64",
    os: "linux",
    config: { Entrypoint: ["node"], Cmd: [scriptName], WorkingDir: workingDir },
    rootfs: { type: "layers", diff_ids: [layer.digest] },
  });
  const manifest = jsonBlob(ociImageType, {
    schemaVersion: 2,
    mediaType: ociImageType,
    config: descriptor(config),
    layers: [descriptor(layer)],
  });
  return { config, layers: [layer], manifest };
}

const tarBlockBytes = 512;

/** A tar archive of one file, and the two empty blocks at its end. */
function archiveOf(path: string, bytes: Buffer): Buffer {
  const header = new Header({
    path,
    type: "File",
    mode: 0o644,
    size: bytes.length,
    mtime: new Date(0),
    uid: 0,
    gid: 0,
  });
  const block = Buffer.alloc(tarBlockBytes);
  header.encode(block);
  const padding = Buffer.alloc((tarBlockBytes - (bytes.length % tarBlockBytes)) % tarBlockBytes);
  return Buffer.concat([block, bytes, padding, Buffer.alloc(2 * tarBlockBytes)]);
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
