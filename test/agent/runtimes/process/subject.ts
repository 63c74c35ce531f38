import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { onTestFinished } from "vitest";
import { z } from "zod";
import type {
  ImageCommand,
  ImageFiles,
} from "../../../../src/agent/runtimes/process/images/image-command.ts";
import type { ImageCommands } from "../../../../src/agent/runtimes/process/images/image-store.ts";
import {
  type ProcessRuntime,
  type ProcessRuntimeOptions,
  processRuntime,
} from "../../../../src/agent/runtimes/process/process.ts";
import type { RuntimeImage, StartSpec } from "../../../../src/agent/runtimes/runtime.ts";
import { fail, ok } from "../../../../src/domain/result.ts";
import { type Folder, makeFolder } from "../../../support/folder.ts";
import type { ImageName, RuntimePlace, RuntimeSubject } from "../subject.ts";

const program = fileURLToPath(new URL("../fixtures/program.ts", import.meta.url));

/**
 * The images of the runtime cases as one script, whose argument is the image's name: a shell starts in far less time
 * than Node. What it waits for ignores SIGTERM, which reaches the whole group.
 */
const script = `
rest() { trap '' TERM; sleep 1000 & }
stay() { while :; do wait; done; }
case "$1" in
exit) printf bye; exit "$CODE" ;;
handle-sigterm) rest; trap 'echo ending; exit 5' TERM; echo ready; stay ;;
ignore-sigterm) rest; trap 'echo not yet' TERM; echo ready; stay ;;
descendant) trap 'exit 6' TERM; "$NODE" "$PROGRAM" deaf-serve & wait ;;
say) for word in $WORDS; do printf "$word"; sleep 0.1; done ;;
streams) for n in 1 2; do echo "out $n"; sleep 0.1; echo "err $n" >&2; sleep 0.1; done ;;
long-line) head -c "$LENGTH" /dev/zero | tr '\\0' x; echo ;;
many-lines)
  exec awk 'BEGIN {
    for (i = 0; i < 100; i++) tail = tail "x"
    for (i = 1; i <= ENVIRON["COUNT"]; i++) print "line " i " " tail
  }' ;;
mark) cat text; [ -e added ]; echo " $?"; echo changed >text; echo >added; echo marked; rest; stay ;;
busy) while :; do :; done ;;
esac
`;

function imageOf(name: ImageName): RuntimeImage {
  const repository = `registry.example.com/acme/${name}`;
  const digest = `sha256:${createHash("sha256").update(name).digest("hex")}`;
  return { reference: `${repository}@${digest}`, repository, digest, tag: null };
}

export const programImages: RuntimeSubject["images"] = {
  serve: imageOf("serve"),
  env: imageOf("env"),
  exit: imageOf("exit"),
  "handle-sigterm": imageOf("handle-sigterm"),
  "ignore-sigterm": imageOf("ignore-sigterm"),
  descendant: imageOf("descendant"),
  say: imageOf("say"),
  streams: imageOf("streams"),
  "long-line": imageOf("long-line"),
  "many-lines": imageOf("many-lines"),
  mark: imageOf("mark"),
  busy: imageOf("busy"),
  unstartable: imageOf("unstartable"),
  missing: imageOf("missing"),
};

function commandOf(name: string): string[] {
  switch (name) {
    case "serve":
      return [process.execPath, program, name];
    case "env":
      return ["/usr/bin/env"];
    case "unstartable":
      return ["/nowhere/to/be/found"];
    default:
      return ["/bin/sh", "-c", script, "sh", name];
  }
}

/** Node starts quickly with what it has compiled before. */
const { NODE_COMPILE_CACHE = "" } = process.env;

export const programCommands: ImageCommands = async ({ digest }) => {
  const [name] = Object.entries(programImages).find(([, image]) => image.digest === digest) ?? ["missing"];
  if (name === "missing") return fail("image_not_found", `there is no image ${digest}`);
  const env = { NODE: process.execPath, PROGRAM: program, NODE_COMPILE_CACHE };
  const image = { command: commandOf(name), env };
  return ok(name === "mark" ? { ...image, files: textFiles(image) } : image);
};

/** The files of an image with one file. */
function textFiles(image: ImageCommand): ImageFiles {
  return {
    prepare: () => undefined,
    withRoom: (work) => work(),
    async copyTo(path) {
      await mkdir(path);
      await writeFile(join(path, "text"), "as it was built");
      return { ...image, cwd: path };
    },
  };
}

export interface ProcessPlace extends RuntimePlace {
  dir: string;
  open(options?: Partial<ProcessRuntimeOptions>): ProcessRuntime;
}

/** A folder in which no process runtime has been yet. @param given options of every runtime there */
export async function makeProcessPlace(given: Partial<ProcessRuntimeOptions> = {}): Promise<ProcessPlace> {
  const folder: Folder = await makeFolder();
  const dir = join(folder.path, "backends");
  const open = (options: Partial<ProcessRuntimeOptions> = {}) =>
    processRuntime({
      images: programCommands,
      dir,
      pollEveryMs: 20,
      followEveryMs: 5,
      ...given,
      ...options,
    });
  return {
    dir,
    open,
    async labelsOf(backendId) {
      const record = z.object({ labels: z.record(z.string(), z.string()) });
      return record.parse(JSON.parse(await readFile(join(dir, backendId, "record.json"), "utf8"))).labels;
    },
    async [Symbol.asyncDispose]() {
      const runtime = open();
      for (const { backendId, exited } of await runtime.list()) {
        await runtime.stop(backendId, "hard");
        await exited;
      }
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** As `makeProcessPlace`, until the test ends. */
export async function testProcessPlace(): Promise<ProcessPlace> {
  const place = await makeProcessPlace();
  onTestFinished(() => place[Symbol.asyncDispose]());
  return place;
}

/** What starts a backend in a runtime whose images are all the same. */
export function specOf(backendId: string): StartSpec {
  const image = { reference: "made up", repository: "made-up", digest: "sha256:", tag: null };
  return { backendId, image, env: {}, resources: undefined, mount: undefined, port: undefined, labels: {} };
}

/** Images that are all this command. */
export function imagesOf(...command: string[]): ImageCommands {
  return async () => ok({ command });
}

/** The process that leads a backend's group. */
export async function leaderOf(place: ProcessPlace, backendId: string): Promise<number> {
  const record = z.object({ leader: z.object({ pid: z.number() }) });
  return record.parse(JSON.parse(await readFile(join(place.dir, backendId, "record.json"), "utf8"))).leader
    .pid;
}

/** The groups of the processes that have a text among their arguments, zombies left out. */
export async function groupsOf(text: string): Promise<number[]> {
  const { stdout } = await promisify(execFile)("ps", [
    "-A",
    "-ww",
    "-o",
    "pgid=",
    "-o",
    "stat=",
    "-o",
    "args=",
  ]);
  const listed = stdout.split("\n").filter((line) => line.includes(text) && !/^\s*\d+\s+Z/.test(line));
  return [...new Set(listed.map((line) => Number.parseInt(line, 10)))];
}
