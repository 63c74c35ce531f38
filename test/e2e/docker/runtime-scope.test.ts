import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { dockerRuntime } from "../../../src/agent/runtimes/docker/docker.ts";
import type { Runtime } from "../../../src/agent/runtimes/runtime.ts";
import { eventually } from "../../agent/support/eventually.ts";
import { collect, never } from "../../agent/support/streams.ts";
import { connects } from "../../support/connects.ts";
import { useDockerPlaces } from "../../support/docker/tests.ts";
import { run } from "../../support/process.ts";

const { places, makePlace, spec, start } = useDockerPlaces();

async function outputOf(runtime: Runtime, id: string): Promise<string[]> {
  return collect(runtime.logs(id, never));
}

describe("what is this agent's", () => {
  test("another scope's backends are not listed, stopped, read or removed", async () => {
    const [one, other] = [await makePlace(), await makePlace()];
    const { id, address } = await start(one.runtime, "serve");
    await eventually(() => connects(address.port, "127.0.0.1")).toBe(true);
    expect(await other.runtime.list()).toEqual([]);
    await other.runtime.stop(id, "hard");
    await other.runtime.remove(id);
    expect(await outputOf(other.runtime, id)).toEqual([]);
    expect((await one.runtime.list()).map(({ backendId }) => backendId)).toEqual([id]);
    expect(await connects(address.port, "127.0.0.1")).toBe(true);
  });

  test("a container of a backend's name that is not Slipway's is not touched", async () => {
    const { runtime } = await makePlace();
    const forged = spec("serve");
    await runtime.pull(forged.image, never);
    const { backendId: name, image } = forged;
    const run = await places().docker(
      "run",
      "--detach",
      "--name",
      name,
      "--network",
      "none",
      image.reference,
    );
    expect(run.exitCode, run.output).toBe(0);
    onTestFinished(async () => void (await places().docker("rm", "--force", name)));
    expect(await runtime.start(forged)).toMatchObject({ ok: false, error: { code: "already_exists" } });
    await runtime.stop(name, "hard");
    await runtime.remove(name);
    expect(await runtime.list()).toEqual([]);
    expect(await outputOf(runtime, name)).toEqual([]);
    expect(await places().inspect(name, ".State.Running")).toBe(true);
  });

  test.for(["../../images/prune", "a b", "", "a?force=1"])(
    "an id that is none is refused: %j",
    async (id) => {
      const { runtime, scope } = await makePlace();
      const bystander = await start(runtime, "serve");
      expect(await runtime.start(spec("serve", { backendId: id }))).toMatchObject({ ok: false });
      await runtime.stop(id, "hard");
      await runtime.remove(id);
      expect(await places().containersOf(scope)).toHaveLength(1);
      expect(await places().inspect(bystander.id, ".State.Running")).toBe(true);
    },
  );

  test("labels of a spawn do not pass for the runtime's own", async () => {
    const place = await makePlace();
    const { id } = await start(place.runtime, "serve", {
      labels: { scope: "other", backend: "x", key: "k" },
    });
    expect(await place.labelsOf(id)).toMatchObject({ scope: place.scope, backend: id, key: "k" });
  });

  test("what a killed start left without starting it is removed, not listed, and in nobody's way", async () => {
    const { runtime, scope, open } = await makePlace();
    const left = spec("serve");
    await runtime.pull(left.image, never);
    const labels = [`dev.slipway.scope=${scope}`, `dev.slipway.backend=${left.backendId}`];
    const args = ["--name", left.backendId, ...labels.flatMap((label) => ["--label", label])];
    const created = await places().docker("create", ...args, left.image.reference);
    expect(created.exitCode, created.output).toBe(0);
    expect(await open().list()).toEqual([]);
    expect(await places().containersOf(scope)).toEqual([]);
    expect(await runtime.start(left)).toMatchObject({ ok: true });
  });

  test("lists while backends are being started end none of them", async () => {
    const { runtime } = await makePlace();
    let isStarting = true;
    const listing = (async () => {
      while (isStarting) await runtime.list();
    })();
    const started = await Promise.all([1, 2, 3, 4, 5, 6].map(() => start(runtime, "handle-sigterm")));
    isStarting = false;
    await listing;
    expect((await runtime.list()).map(({ backendId }) => backendId).toSorted()).toEqual(
      started.map(({ id }) => id).toSorted(),
    );
  });

  test("a scope that cannot be part of a name is refused", () => {
    for (const scope of ["", "../x", "a b", "-x"]) {
      const options = { scope, credentials: null, log: () => undefined };
      expect(() => dockerRuntime(options)).toThrow("cannot be in the names");
    }
  });

  test("a program that has listed backends is not kept running by them", async () => {
    const { runtime, scope } = await makePlace();
    await start(runtime, "serve");
    const module = fileURLToPath(new URL("../../../src/agent/runtimes/docker/docker.ts", import.meta.url));
    const program = `
      const { dockerRuntime } = await import(${JSON.stringify(module)});
      const engine = { socketPath: ${JSON.stringify(places().engine.socketPath)} };
      const scope = ${JSON.stringify(scope)};
      console.log((await dockerRuntime({ engine, scope, credentials: null, log() {} }).list()).length);`;
    const ended = await run([process.execPath, "--input-type=module", "--eval", program]);
    expect(ended).toMatchObject({ exitCode: 0, stdout: "1\n" });
  });
});
