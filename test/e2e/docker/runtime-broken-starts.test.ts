import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../../agent/support/eventually.ts";
import { type DockerPlaces, startDockerPlaces, startSpec } from "../../support/docker/place.ts";
import { type SlowRunc, writeSlowRunc } from "../../support/docker/slow-runc.ts";
import { makeFolder } from "../../support/folder.ts";
import { share } from "../../support/shared.ts";

let runc: SlowRunc;
let places: DockerPlaces;

share({
  programs: ["dockerd", "docker", "busybox"],
  async start(stack) {
    const folder = stack.use(await makeFolder());
    runc = await writeSlowRunc(folder.path, "*");
    places = stack.use(await startDockerPlaces({ ociRuntime: runc.path }));
  },
});

test("a start that the engine is at when its agent is killed is in the next agent's list, which waits for it", async () => {
  const place = await places.makePlace();
  onTestFinished(() => place[Symbol.asyncDispose]());
  const { open, scope } = place;
  const spec = startSpec(places.images.serve);
  const abandoned = open().start(spec);
  onTestFinished(async () => void (await abandoned));
  await eventually(() => places.containersOf(scope)).toHaveLength(1);
  const [container = ""] = await places.containersOf(scope);
  await eventually(() => runc.isAt(container)).toBe(true);
  const found = await open().list();
  const address = { host: "127.0.0.1", port: expect.toSatisfy((port) => port > 0) };
  expect(found).toMatchObject([{ backendId: spec.backendId, address }]);
  expect(await places.containersOf(scope)).toEqual([container]);
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
