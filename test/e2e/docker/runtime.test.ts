import { readdir } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Runtime } from "../../../src/agent/runtimes/runtime.ts";
import { eventually } from "../../agent/support/eventually.ts";
import { collect, never } from "../../agent/support/streams.ts";
import { connects } from "../../support/connects.ts";
import { useDockerPlaces } from "../../support/docker/tests.ts";
import { makeFolder } from "../../support/folder.ts";

const { places, makePlace, spec, start } = useDockerPlaces({ firewall: true });

async function outputOf(runtime: Runtime, id: string): Promise<string[]> {
  return collect(runtime.logs(id, never));
}

describe("limits", () => {
  test("are what the engine holds", async () => {
    const { runtime } = await makePlace();
    const { id } = await start(runtime, "serve", {
      resources: {
        memory_limit_bytes: 64 * 1024 * 1024,
        cpu_period: 50_000,
        cpu_period_percent: 150,
        cpu_time_limit: 3600,
      },
    });
    expect(await places().inspect(id, ".HostConfig")).toMatchObject({
      Memory: 64 * 1024 * 1024,
      MemorySwap: 64 * 1024 * 1024,
      CpuPeriod: 50_000,
      CpuQuota: 75_000,
      Ulimits: [{ Name: "cpu", Soft: 3600, Hard: 3600 }],
    });
    for await (const { memoryUsedBytes, memoryAvailableBytes } of runtime.stats(id, never)) {
      expect(memoryUsedBytes + memoryAvailableBytes).toBe(64 * 1024 * 1024);
      break;
    }
  });

  test("a share of the processor needs no period", async () => {
    const { runtime } = await makePlace();
    const { id } = await start(runtime, "serve", { resources: { cpu_period_percent: 20 } });
    expect(await places().inspect(id, ".HostConfig")).toMatchObject({ CpuQuota: 20_000 });
  });

  test("every backend is kept from what no session needs", async () => {
    const { runtime } = await makePlace();
    const { id } = await start(runtime, "serve");
    expect(await places().inspect(id, ".HostConfig")).toMatchObject({
      SecurityOpt: ["no-new-privileges"],
      CapDrop: expect.arrayContaining(["NET_RAW", "MKNOD"]),
      Privileged: false,
      PidsLimit: 4096,
      RestartPolicy: { Name: "no" },
      LogConfig: { Type: "json-file", Config: { "max-size": "10m" } },
    });
  });

  test("a limit of the disk that the engine cannot hold is left out, and that is said once", async () => {
    const { runtime, events } = await makePlace();
    for (const _ of [1, 2]) {
      const { id } = await start(runtime, "serve", { resources: { disk_limit_bytes: 100_000_000 } });
      expect(await places().inspect(id, ".HostConfig.StorageOpt")).toBeNull();
    }
    expect(events).toEqual([
      {
        event: "docker.disk_limits_ignored",
        fields: { reason: expect.stringContaining("storage-opt") },
      },
    ]);
  });

  test("one that the engine refuses fails the start in its words", async () => {
    const { runtime, scope } = await makePlace();
    const refused = await runtime.start(spec("serve", { resources: { memory_limit_bytes: 100 } }));
    expect(refused).toMatchObject({ ok: false, error: { message: expect.stringContaining("6MB") } });
    expect(await places().containersOf(scope)).toEqual([]);
  });
});

describe("the network", () => {
  test("a backend is reached on 127.0.0.1 and at no other address of this machine", async () => {
    const { runtime } = await makePlace();
    const { id, address: published } = await start(runtime, "serve", { port: 9000 });
    const { port } = published;
    expect(published.host).toBe("127.0.0.1");
    await eventually(() => connects(port, "127.0.0.1")).toBe(true);
    expect(await places().inspect(id, ".NetworkSettings.Ports")).toEqual({
      "9000/tcp": [{ HostIp: "127.0.0.1", HostPort: String(port) }],
    });
    const others = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ internal, family }) => !internal && family === "IPv4");
    expect(others.length).toBeGreaterThan(0);
    for (const { address } of others) expect(await connects(port, address), address).toBe(false);
  });

  test("backends do not reach each other, by their own address or the machine's", async () => {
    const { runtime, scope } = await makePlace();
    const server = await start(runtime, "serve");
    const network = `(index .NetworkSettings.Networks "slipway-${scope}")`;
    const address = String(await places().inspect(server.id, `${network}.IPAddress`));
    const gateway = String(await places().inspect(server.id, `${network}.Gateway`));
    // This machine reaches it there: what follows is not for want of a server.
    await eventually(() => connects(8080, address)).toBe(true);
    for (const [HOST, TO] of [
      [address, "8080"],
      [gateway, String(server.address.port)],
    ] as const) {
      const other = await start(runtime, "reach", { env: { HOST, TO } });
      expect(await outputOf(runtime, other.id)).toEqual(["refused"]);
    }
    const self = await start(runtime, "reach", { env: { HOST: "127.0.0.1", TO: "8080" } });
    expect(await outputOf(runtime, self.id)).toEqual(["refused"]);
  });

  test("many first starts at once make one network", async () => {
    const { runtime, scope } = await makePlace();
    await Promise.all([1, 2, 3, 4].map(() => start(runtime, "exit", { env: { CODE: "0" } })));
    const { stdout } = await places().docker("network", "ls", "--quiet", "--filter", `name=slipway-${scope}`);
    expect(stdout.trim().split("\n")).toHaveLength(1);
  });
});

describe("writing", () => {
  const env = {
    TEXT: "kept",
    JAMSOCKET_SERVICE: "hello",
    SLIPWAY_ENVIRONMENT: "prod",
    SESSION_BACKEND_KEY: "a/../../b",
  };

  async function mountBase(): Promise<string> {
    const folder = await makeFolder();
    onTestFinished(() => folder[Symbol.asyncDispose]());
    return join(folder.path, "mounts");
  }

  test("with a read-only root, a backend writes to /tmp and its mount", async () => {
    const base = await mountBase();
    const { runtime } = await makePlace({ readOnly: true, mountBase: base });
    const { id } = await start(runtime, "write", { env, mount: "shared" });
    expect(await outputOf(runtime, id)).toEqual(["wrote /tmp", "wrote /plane-data"]);
    expect(await readdir(join(base, "_by-name", "hello", "prod"))).toEqual(["shared"]);
  });

  test("without, it writes to its root, and without a mount there is no place for one", async () => {
    const { runtime } = await makePlace();
    const { id } = await start(runtime, "write", { env });
    expect(await outputOf(runtime, id)).toEqual(["wrote /"]);
  });

  test("what is written to a key's mount is there for the key's next backend, and for no other key", async () => {
    const { runtime } = await makePlace({ mountBase: await mountBase() });
    const first = await start(runtime, "write", { env, mount: true });
    await first.exited;
    await runtime.remove(first.id);
    const next = await start(runtime, "read", { env, mount: true });
    expect(await outputOf(runtime, next.id)).toEqual(["kept"]);
    const other = await start(runtime, "read", { env: { ...env, SESSION_BACKEND_KEY: "b" }, mount: true });
    expect(await other.exited).not.toBe(0);
    const started = await start(runtime, "env", { env, mount: true });
    expect(await outputOf(runtime, started.id)).toContain("SLIPWAY_MOUNT=/plane-data");
  });

  test("a mount is refused where the agent has no folder for them, and where its name leads out of it", async () => {
    const [without, within] = [await makePlace(), await makePlace({ mountBase: await mountBase() })];
    for (const [{ runtime }, mount] of [
      [without, "shared"],
      [without, true],
      [within, "../shared"],
      [within, "shared/deeper"],
    ] as const) {
      expect(await runtime.start(spec("write", { env, mount }))).toMatchObject({
        ok: false,
        error: { code: "bad_request", message: expect.stringContaining("mount") },
      });
      expect(await runtime.list()).toEqual([]);
    }
  });
});
