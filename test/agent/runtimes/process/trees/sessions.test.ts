import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { registryClient } from "../../../../../src/agent/registry/client.ts";
import { contentStore } from "../../../../../src/agent/registry/content-store.ts";
import type { ImageFiles } from "../../../../../src/agent/runtimes/process/images/image-command.ts";
import { imageStore, sessionTrees } from "../../../../../src/agent/runtimes/process/images/image-store.ts";
import { processRuntime } from "../../../../../src/agent/runtimes/process/process.ts";
import type { RuntimeImage } from "../../../../../src/agent/runtimes/runtime.ts";
import { ok } from "../../../../../src/domain/result.ts";
import { makeFolder } from "../../../../support/folder.ts";
import { eventually } from "../../../support/eventually.ts";
import { describeTree } from "../../../support/file-trees.ts";
import { imageOf, layerOf } from "../../../support/oci-image.ts";
import { startOciRegistry } from "../../../support/oci-registry.ts";
import { never } from "../../../support/streams.ts";
import { specOf } from "../subject.ts";

/** Prints what its files say, does all to them that one may do to one's own files, and stays. */
const program = `#!/bin/sh
cat text alias; [ ! -e added ] && echo clean
echo changed >text; echo changed >>run; mkdir added; echo x >added/file; rm alias; chmod 0777 ../folder; ln -s /etc folder/etc
echo done
trap 'exit 5' TERM
while :; do sleep 0.02; done
`;

const layer = layerOf([
  { path: "app/run", text: program, mode: 0o755 },
  { path: "app/text", text: "as it was built\n" },
  { path: "app/alias", type: "SymbolicLink", linkpath: "/app/text" },
  { path: "folder/same", type: "Link", linkpath: "app/text" },
  { path: "app/folder", type: "SymbolicLink", linkpath: "../folder" },
]);
const image = imageOf([layer], { Cmd: ["./run"], WorkingDir: "/app" });
const asBuilt = ["as it was built", "as it was built", "clean", "done"];

async function setUp({ refillAfterMs = 1_000_000 } = {}) {
  const registry = await startOciRegistry();
  const folder = await makeFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const { repository, digest } = registry.add(image);
  const reference: RuntimeImage = { repository, digest, reference: repository, tag: null };
  const dir = join(folder.path, "processes");
  const imagesDir = join(folder.path, "images");
  const at = {
    dir,
    spares: join(imagesDir, "spares"),
    outer: join(imagesDir, "roots", ...digest.split(":")),
    root: join(imagesDir, "roots", ...digest.split(":"), "root"),
    tree: (id: string) => join(dir, id, "tree"),
    image: reference,
    /** A runtime and an image store made anew, as after a restart. */
    open() {
      const content = contentStore(imagesDir);
      const trees = sessionTrees(content, { refillAfterMs });
      const images = imageStore({ content, registry: registryClient(null), trees });
      const runtime = processRuntime({ images, dir, pollEveryMs: 10, followEveryMs: 5 });
      return {
        ...runtime,
        async start(id: string) {
          return await runtime.start({ ...specOf(id), image: reference });
        },
        pull: () => runtime.pull(reference, never),
        /** What a session has printed, once it has done all. */
        async seen(id: string) {
          const lines: string[] = [];
          for await (const line of runtime.logs(id, never)) {
            lines.push(line);
            if (line === "done") break;
          }
          return lines;
        },
        async end(id: string) {
          await runtime.stop(id, "hard");
          const found = (await runtime.list()).find(({ backendId }) => backendId === id);
          await found?.exited;
          await runtime.remove(id);
        },
      };
    },
  };
  onTestFinished(async () => {
    const runtime = at.open();
    for (const { backendId } of await runtime.list()) await runtime.end(backendId);
  });
  return at;
}

test("sessions of one image change files of their own only, and the image stays what it was", async () => {
  const at = await setUp();
  const runtime = at.open();
  expect(await runtime.pull()).toMatchObject({ ok: true });
  const before = await describeTree(at.root);
  for (const id of ["one", "two", "three"]) {
    expect(await runtime.start(id)).toMatchObject({ ok: true });
    expect(await runtime.seen(id)).toEqual(asBuilt);
  }
  expect(await describeTree(at.root)).toEqual(before);
  expect(await readFile(join(at.tree("one"), "app/text"), "utf8")).toBe("changed\n");
});

test("what a session has changed before a restart is its own after it, and goes with it", async () => {
  const at = await setUp();
  const first = at.open();
  await first.start("lives");
  await first.start("ends");
  const changed = await first.seen("lives").then(() => describeTree(at.tree("lives")));
  await first.stop("ends", "hard");

  const second = at.open();
  const found = await second.list();
  expect(found.map(({ backendId }) => backendId).sort()).toEqual(["ends", "lives"]);
  expect(await describeTree(at.tree("lives"))).toEqual(changed);
  await second.end("ends");
  expect(await readdir(at.dir)).toEqual(["lives"]);
  await second.end("lives");
  expect(await readdir(at.dir)).toEqual([]);
});

test.for(["soft", "hard"] as const)("a session's files go with it after a %s stop", async (kind) => {
  const at = await setUp();
  const runtime = at.open();
  const started = await runtime.start("session");
  await runtime.seen("session");
  await runtime.stop("session", kind);
  if (started.ok) expect(await started.value.exited).toBe(kind === "soft" ? 5 : 137);
  await runtime.remove("session");
  expect(await readdir(at.dir)).toEqual([]);
});

test("a second start of a session copies nothing, and leaves it as it is", async () => {
  const at = await setUp();
  const runtime = at.open();
  const [one, other] = await Promise.all([runtime.start("session"), runtime.start("session")]);
  expect([one.ok, other.ok].filter((isStarted) => isStarted)).toHaveLength(1);
  await runtime.seen("session");
  const changed = await describeTree(at.tree("session"));
  expect(await runtime.start("session")).toMatchObject({ ok: false, error: { code: "already_exists" } });
  expect(await describeTree(at.tree("session"))).toEqual(changed);
  expect(await readdir(at.dir)).toEqual(["session"]);
});

test("a session whose files cannot be copied is not started, and leaves nothing of them", async () => {
  const at = await setUp();
  const copyTo = async (path: string): Promise<never> => {
    await mkdir(path);
    await writeFile(join(path, "part"), "");
    throw new Error("the disk is full");
  };
  const files: ImageFiles = { prepare: () => undefined, withRoom: (work) => work(), copyTo };
  const runtime = processRuntime({ images: async () => ok({ command: ["/bin/true"], files }), dir: at.dir });
  expect(await runtime.start(specOf("session"))).toMatchObject({
    ok: false,
    error: { message: expect.stringContaining("the disk is full") },
  });
  expect(await readdir(at.dir)).toEqual([]);
  expect(await runtime.list()).toEqual([]);
});

test("what a start that broke off has left is removed by the next agent", async () => {
  const at = await setUp();
  const first = at.open();
  await first.pull();
  // As it is when the agent ends in the middle of a copy, and in the middle of a removal.
  await mkdir(join(at.tree("broken-off"), "app"), { recursive: true });
  await writeFile(join(at.tree("broken-off"), "app/run"), program.slice(0, 10));
  await mkdir(join(at.dir, "ended.removed/tree/app"), { recursive: true });
  const second = at.open();
  expect(await second.list()).toEqual([]);
  expect(await readdir(at.dir)).toEqual([]);
  expect(await second.start("broken-off")).toMatchObject({ ok: true });
  expect(await second.seen("broken-off")).toEqual(asBuilt);
});

test("a copy is made ahead by a pull and after a start, given to one session, and made anew by the next agent", async () => {
  const at = await setUp({ refillAfterMs: 0 });
  const runtime = at.open();
  await runtime.pull();
  const spares = () => readdir(at.spares).catch(() => []);
  await eventually(async () => existsSync(join(at.spares, (await spares())[0] ?? "", "app/alias"))).toBe(
    true,
  );
  const [ready = ""] = await spares();
  await runtime.start("one");
  expect(await spares()).not.toContain(ready);
  expect(await runtime.seen("one")).toEqual(asBuilt);
  await eventually(spares).toHaveLength(1);
  const [left = ""] = await spares();

  const next = at.open();
  await next.pull();
  await eventually(spares).not.toContain(left);
  await eventually(spares).toHaveLength(1);
  const [one, two, three] = await Promise.all(["two", "three", "four"].map((id) => next.start(id)));
  expect([one?.ok, two?.ok, three?.ok]).toEqual([true, true, true]);
  for (const id of ["two", "three", "four"]) expect(await next.seen(id)).toEqual(asBuilt);
});

test("a copy made ahead that is gone is made when it is needed", async () => {
  const at = await setUp();
  const runtime = at.open();
  await runtime.pull();
  await eventually(() => readdir(at.spares).catch(() => [])).toHaveLength(1);
  await rename(at.spares, `${at.spares}.gone`);
  expect(await runtime.start("session")).toMatchObject({ ok: true });
  expect(await runtime.seen("session")).toEqual(asBuilt);
});

test("an image in which sessions ran, as an earlier version had it, is unpacked anew", async () => {
  const at = await setUp();
  await at.open().pull();
  await rename(at.root, join(at.outer, "rootfs"));
  await writeFile(join(at.outer, "rootfs/app/text"), "changed\n");
  const runtime = at.open();
  expect(await runtime.start("session")).toMatchObject({ ok: true });
  expect(await runtime.seen("session")).toEqual(asBuilt);
  expect(await readdir(at.outer)).toEqual(["root"]);
});
