import { createHash } from "node:crypto";
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { create } from "tar";
import { localPlatform } from "../../../src/agent/runtimes/process/images/platform.ts";
import type { RuntimeImage } from "../../../src/agent/runtimes/runtime.ts";
import { ociImageType } from "../../../src/domain/registry/media-types.ts";
import type { OciBlob } from "../../../src/local/node-image.ts";
import { type PushTarget, pushImage } from "../../../src/local/push-image.ts";
import type { ImageName } from "../../agent/runtimes/subject.ts";
import { pathOf } from "../programs.ts";

/** The images of the runtime cases as one script: its argument is the image's name. It is its container's first process. */
const script = `
B=/bin/busybox
serve() {
  $B mkdir -p /tmp/www
  echo here >/tmp/www/index.html
  echo serving
  exec $B httpd -f -p "$PORT" -h /tmp/www
}
stay() { while :; do $B sleep 1000 & wait $!; done; }
case "$1" in
serve) trap 'exit 143' TERM; serve & wait ;;
exit) printf bye; exit "$CODE" ;;
handle-sigterm) trap 'echo ending; exit 5' TERM; echo ready; stay ;;
ignore-sigterm) trap 'echo not yet' TERM; echo ready; stay ;;
descendant) trap 'exit 6' TERM; (trap '' TERM; serve) & wait ;;
say) for word in $WORDS; do printf "$word"; $B sleep 0.1; done ;;
streams) for n in 1 2; do echo "out $n"; $B sleep 0.1; echo "err $n" >&2; $B sleep 0.1; done ;;
long-line) $B head -c "$LENGTH" /dev/zero | $B tr '\\0' x; echo ;;
many-lines)
  exec $B awk 'BEGIN {
    for (i = 0; i < 100; i++) tail = tail "x"
    for (i = 1; i <= ENVIRON["COUNT"]; i++) print "line " i " " tail
  }' ;;
mark) $B cat text; [ -e added ]; echo " $?"; echo changed >text; echo >added; echo marked; stay ;;
busy) trap 'exit 143' TERM; while :; do :; done ;;
reach) $B nc -w 2 "$HOST" "$TO" </dev/null 2>/dev/null && echo reached || echo refused ;;
write) for place in / /tmp /plane-data; do echo "$TEXT" >"$place/written" && echo "wrote $place"; done 2>/dev/null ;;
read) $B cat /plane-data/written ;;
esac
`;

export type DockerImageName =
  | ImageName
  /** Connects to `$HOST` at `$TO`; prints `reached` or `refused`. */
  | "reach"
  /** Writes `$TEXT` to a file in several places; prints `wrote <place>` where it can. */
  | "write"
  /** Prints what was written to its mount. */
  | "read"
  /** Its command is a text. */
  | "not-a-program"
  | "no-command";

/** Builds images and pushes them to the repository of a service. @param folder where to build them */
export async function pushRuntimeImages(
  target: PushTarget,
  folder: string,
): Promise<Record<DockerImageName, RuntimeImage>> {
  await mkdir(join(folder, "bin"), { recursive: true });
  await copyFile(pathOf("busybox") ?? "", join(folder, "bin", "busybox"));
  await writeFile(join(folder, "script"), script);
  await writeFile(join(folder, "text"), "no program at all", { mode: 0o755 });
  const archive = await create({ cwd: folder, portable: true }, ["bin", "script", "text"]).concat();
  const layer = blob("application/vnd.oci.image.layer.v1.tar", archive);
  const repository = `${new URL(target.apiUrl).host}/${target.account}/${target.service}`;
  const named = (digest: string, tag: string | null): RuntimeImage => ({
    reference: `${repository}@${digest}`,
    repository,
    digest,
    tag,
  });

  async function push(tag: string, ...command: string[]): Promise<RuntimeImage> {
    const config = blob("application/vnd.oci.image.config.v1+json", {
      ...localPlatform,
      config: command.length > 0 ? { Cmd: command } : {},
      rootfs: { type: "layers", diff_ids: [layer.digest] },
    });
    const manifest = blob(ociImageType, {
      schemaVersion: 2,
      mediaType: ociImageType,
      config: descriptor(config),
      layers: [descriptor(layer)],
    });
    return named(await pushImage(target, { config, layers: [layer], manifest }, [tag]), tag);
  }
  const run = (name: string) => push(name, "/bin/busybox", "sh", "/script", name);
  return {
    serve: await run("serve"),
    exit: await run("exit"),
    "handle-sigterm": await run("handle-sigterm"),
    "ignore-sigterm": await run("ignore-sigterm"),
    descendant: await run("descendant"),
    say: await run("say"),
    streams: await run("streams"),
    "long-line": await run("long-line"),
    "many-lines": await run("many-lines"),
    mark: await run("mark"),
    busy: await run("busy"),
    reach: await run("reach"),
    write: await run("write"),
    read: await run("read"),
    env: await push("env", "/bin/busybox", "env"),
    unstartable: await push("unstartable", "/nowhere/to/be/found"),
    "not-a-program": await push("not-a-program", "/text"),
    "no-command": await push("no-command"),
    missing: named(`sha256:${"0".repeat(64)}`, null),
  };
}

function blob(mediaType: string, content: Buffer | object): OciBlob {
  const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
  return { mediaType, digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}`, bytes };
}

function descriptor({ mediaType, digest, bytes }: OciBlob) {
  return { mediaType, digest, size: bytes.length };
}
