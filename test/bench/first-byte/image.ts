import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { localPlatform } from "../../../src/agent/runtimes/process/images/platform.ts";
import { ociImageType } from "../../../src/domain/registry/media-types.ts";
import type { OciBlob } from "../../../src/local/node-image.ts";
import { pushImage } from "../../../src/local/push-image.ts";
import { tarArchive } from "../../../src/local/tar-archive.ts";
import { pathOf } from "../../support/programs.ts";
import { account, type Deployment, service } from "../deployment.ts";

/** The one program of the image, which must not need any library. Debian's package is busybox-static. */
export const program = "busybox";

/** Paths as a container and a process both see them, which starts in what the image has as its root. */
const command = [`./${program}`, "sh", "-c", `exec ./${program} httpd -f -p "$LISTEN_ON$PORT" -h www`];

/**
 * Pushes an image that answers HTTP milliseconds after its start, at `$PORT` of all addresses or of `$LISTEN_ON`,
 * `<address>:`. Images of different tags share nothing, so that each is pulled whole.
 */
export async function pushServer({ apiUrl, token }: Deployment, tag: string): Promise<void> {
  const archive = tarArchive([
    { path: program, bytes: await readFile(pathOf(program) ?? ""), isExecutable: true },
    { path: "www/index.html", bytes: Buffer.from(`${tag}\n`) },
  ]);
  const layer = blob("application/vnd.oci.image.layer.v1.tar", archive);
  const config = blob("application/vnd.oci.image.config.v1+json", {
    ...localPlatform,
    config: { Cmd: command },
    rootfs: { type: "layers", diff_ids: [layer.digest] },
  });
  const manifest = blob(ociImageType, {
    schemaVersion: 2,
    mediaType: ociImageType,
    config: descriptorOf(config),
    layers: [descriptorOf(layer)],
  });
  await pushImage({ apiUrl, account, service, token }, { config, layers: [layer], manifest }, [tag]);
}

function blob(mediaType: string, content: Buffer | object): OciBlob {
  const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
  return { mediaType, digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}`, bytes };
}

function descriptorOf({ mediaType, digest, bytes }: OciBlob) {
  return { mediaType, digest, size: bytes.length };
}
