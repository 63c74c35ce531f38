import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type { StartSpec } from "../../src/agent/runtime.ts";
import { eventually } from "../agent/support/eventually.ts";
import { connects } from "../support/connects.ts";
import { type DockerPlaces, startDockerPlaces, startSpec } from "../support/docker-place.ts";
import { type Folder, makeFolder } from "../support/folder.ts";
import { whyNotWith } from "../support/programs.ts";
import { type SlowRunc, writeSlowRunc } from "../support/slow-runc.ts";

const whyNot = whyNotWith("dockerd", "docker", "busybox");
let folder: Folder;
let runc: SlowRunc;
let places: DockerPlaces;

beforeAll(async () => {
  if (whyNot !== null) return;
  folder = await makeFolder();
  runc = await writeSlowRunc(folder.path, "*");
  places = await startDockerPlaces({ ociRuntime: runc.path });
});
afterAll(async () => {
  await places?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});
beforeEach(({ skip }) => skip(whyNot !== null, whyNot ?? ""));

/** A backend whose start the engine has begun for a runtime that is not asked about it any more. */
async function abandonedStart() {
  const place = await places.makePlace();
  onTestFinished(() => place[Symbol.asyncDispose]());
  const spec: StartSpec = startSpec(places.images.serve);
  const ended = place.open().start(spec);
  onTestFinished(async () => void (await ended));
  await eventually(() => places.containersOf(place.scope)).toHaveLength(1);
  const [container = ""] = await places.containersOf(place.scope);
  await eventually(() => runc.isAt(container)).toBe(true);
  return { ...place, spec, id: spec.backendId };
}

describe("a start that the engine is at when its agent is killed", () => {
  test("is in the next agent's list, which waits for it", async () => {
    const { open, scope, id } = await abandonedStart();
    const found = await open().list();
    expect(found.map(({ backendId, port }) => ({ backendId, hasPort: port > 0 }))).toEqual([
      { backendId: id, hasPort: true },
    ]);
    expect(await places.containersOf(scope)).toHaveLength(1);
  });

  test("is what the next agent's start of that backend comes to", async () => {
    const { open, scope, id, spec } = await abandonedStart();
    const started = await open().start(spec);
    const { port } = started.ok ? started.value : { port: 0 };
    expect(started).toMatchObject({ ok: true });
    await eventually(() => connects(port, "127.0.0.1")).toBe(true);
    expect(await places.containersOf(scope)).toHaveLength(1);
    expect(await places.inspect(id, ".State.Running")).toBe(true);
  });
});

test("a container that a killed start has left unstarted is not in the way of the next start", async () => {
  const place = await places.makePlace();
  onTestFinished(() => place[Symbol.asyncDispose]());
  const spec = startSpec(places.images.serve);
  await place.open().pull(spec.image, new AbortController().signal);
  const labels = [`dev.slipway.scope=${place.scope}`, `dev.slipway.backend=${spec.backendId}`];
  const args = ["--name", spec.backendId, ...labels.flatMap((label) => ["--label", label])];
  const created = await places.docker("create", ...args, spec.image.reference);
  expect(created.exitCode, created.output).toBe(0);
  const started = await place.open().start(spec);
  expect(started, JSON.stringify(started)).toMatchObject({ ok: true });
  expect(await places.containersOf(place.scope)).toHaveLength(1);
});
