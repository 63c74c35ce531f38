import { mkdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { z } from "zod";
import { nodeImage } from "../../src/local/node-image.ts";
import { pushImage } from "../../src/local/push-image.ts";
import type { LocalJson } from "../../src/local/state/local-json.ts";
import { backendAnswer } from "../../src/protocol/jamsocket/v2.ts";
import { clusterList } from "../../src/protocol/v3/clusters.ts";
import { imageList } from "../../src/protocol/v3/images.ts";
import { environment, pinAnswer, service } from "../../src/protocol/v3/services.ts";
import { call, connectToDemo } from "../support/api.ts";
import { type Folder, makeFolder } from "../support/folder.ts";
import {
  breakOffStart,
  type LocalSystem,
  nodeCommand,
  npmCommand,
  runLocalSystem,
  startLocalSystem,
} from "../support/local-system.ts";
import { runningOf } from "../support/process.ts";

const demo = "/v3/accounts/demo/services/hello-world";

const stubbornProgram = `
process.on("SIGTERM", () => {});
require("node:http").createServer((_, response) => response.end()).listen(process.env.PORT, "127.0.0.1");
`;

function environmentOf(local: LocalJson, name: string) {
  return call(local, environment, `${demo}/environments/${name}`);
}

function pin(local: LocalJson, name: string, image: string) {
  return call(local, pinAnswer, `${demo}/environments/${name}/pin`, { method: "PUT", json: { image } });
}

/** The demo's images and when each was pushed. */
async function pushesOf(local: LocalJson) {
  const { images } = await call(local, imageList, `${demo}/images`);
  return images.map(({ digest, tags, pushed_at }) => ({ digest, tags, pushed_at }));
}

/** The link on the screen that logs in to the dashboard. */
function loginUrlOn(system: LocalSystem): string | undefined {
  return /^ +dashboard +(\S+)/m.exec(system.screen())?.[1];
}

async function pageOf(url: string): Promise<string> {
  const response = await fetch(url);
  expect(response.status).toBe(200);
  return response.text();
}

/** The file in which a state directory remembers its secrets, to be changed as a crash would have left it. */
async function editSecrets(stateDir: string, changes: Record<string, unknown>): Promise<void> {
  const path = join(stateDir, "secrets.json");
  const secrets = z.record(z.string(), z.unknown()).parse(JSON.parse(await readFile(path, "utf8")));
  await writeFile(path, JSON.stringify({ ...secrets, ...changes }));
}

describe("a running deployment", () => {
  let folder: Folder;
  let system: LocalSystem;

  beforeAll(async () => {
    folder = await makeFolder();
    system = await startLocalSystem(join(folder.path, "state"));
  });
  afterAll(async () => {
    await system[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  test("local.json says where everything is, to its owner only", async () => {
    const path = join(system.stateDir, "local.json");
    const written: unknown = JSON.parse(await readFile(path, "utf8"));
    const origin = expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(written).toEqual({
      api_url: origin,
      account: "demo",
      token: expect.stringMatching(/^demo_[a-z0-9]+\.[\w-]+$/),
      root_token: expect.stringMatching(/^.{40,}$/),
      dashboard_url: `${system.local.api_url}/`,
      clusters: [
        { name: "local-staging", agent_url: origin },
        { name: "local-prod", agent_url: origin },
      ],
      pid: system.local.pid,
    });
    for (const name of ["local.json", "secrets.json"]) {
      expect((await stat(join(system.stateDir, name))).mode & 0o777).toBe(0o600);
    }
  });

  test("the screen names the addresses and commands that work as they stand", () => {
    const { api_url, token } = system.local;
    expect(system.screen()).toContain(`export JAMSOCKET_SERVER_API=${api_url}`);
    expect(loginUrlOn(system)).toMatch(/^http:[^ ]+\/login\/demo_[0-9a-z]{12}\.[\w-]{43}$/);
    expect(loginUrlOn(system)).toContain(`${api_url}/login/`);
    expect(system.screen()).toContain(`npx jamsocket login --token ${token}`);
    expect(system.screen()).toContain(
      `SLIPWAY_STATE_DIR=${system.stateDir} npx slipway env list hello-world`,
    );
  });

  test("staging runs v2 and prod runs v1, each on its own cluster and by its digest", async () => {
    for (const [name, version] of [
      ["staging", "v2"],
      ["prod", "v1"],
    ] as const) {
      const { image, digest, cluster } = await environmentOf(system.local, name);
      expect([image, cluster]).toEqual([version, `local-${name}`]);
      const agent = system.local.clusters.find((candidate) => candidate.name === cluster);

      const { url } = await connectToDemo(system.local, name, { user: "Zoë & co" });
      expect(url.startsWith(`${agent?.agent_url}/`)).toBe(true);
      const page = await pageOf(url);
      expect(page).toContain(`<title>hello-world ${version} · ${name}</title>`);
      expect(page).toContain(`<code>${digest}</code>`);
      expect(page).toContain("<dd>Zoë &amp; co</dd>");
    }
  });

  test("everybody who is connected to a backend sees the same counter", async () => {
    const { url } = await connectToDemo(system.local, "prod", { key: "shared" });
    const address = new URL("live", url.replace(/^http/, "ws"));
    const [first, second] = [new WebSocket(address), new WebSocket(address)];
    const seen: string[] = [];
    second.on("message", (data) => seen.push(data.toString()));
    const people = ["someone", "someone"];
    await vi.waitFor(() => expect(seen).toContain(JSON.stringify({ count: 0, people })));

    first.send(JSON.stringify({ type: "add" }));
    await vi.waitFor(() => expect(seen).toContain(JSON.stringify({ count: 1, people })));
    first.close();
    second.close();
  });

  test("a second start on the same state is refused, and the first goes on", async () => {
    const second = await runLocalSystem(["--port", "0", "--state-dir", system.stateDir]);
    expect(second.exitCode).toBe(1);
    expect(second.stderr).toContain(`${system.stateDir} is in use by process ${system.local.pid}`);
    expect(second.stderr).toContain("--state-dir");
    expect((await fetch(`${system.local.api_url}/healthz`)).status).toBe(200);
    expect((await stat(join(system.stateDir, "local.json"))).isFile()).toBe(true);
  });
});

describe("what a start refuses", () => {
  test("a port that is taken is named, and nothing is left behind", async () => {
    await using folder = await makeFolder();
    const stateDir = join(folder.path, "state");
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
    const address = holder.address();
    const port = typeof address === "object" && address ? address.port : 0;

    const refused = await runLocalSystem(["--port", String(port), "--state-dir", stateDir]);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toBe(
      `error: port ${port} is taken: name another one with --port (0 takes any free one)\n`,
    );
    await expect(stat(stateDir)).rejects.toThrow("ENOENT");
    holder.close();
  });

  test.each([
    { args: ["--runtime", "podman"], says: "Allowed choices are process, docker" },
    { args: ["--port", "http"], says: "A port is a number from 0 to 65535" },
    { args: ["--port", "65536"], says: "A port is a number from 0 to 65535" },
    { args: ["somewhere"], says: "too many arguments" },
  ])("$args is refused with a reason", async ({ args, says }) => {
    const refused = await runLocalSystem(args);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain(says);
  });
});

describe("stopping and starting again", () => {
  test("SIGTERM ends every process, and the next start finds the state as it was", async () => {
    await using folder = await makeFolder();
    const stateDir = join(folder.path, "state");
    await using first = await startLocalSystem(stateDir);
    const { backend_id } = await connectToDemo(first.local, "prod", { key: "k" });
    await pin(first.local, "prod", "v2");
    await call(first.local, service, "/v3/accounts/demo/services", { json: { name: "mine" } });
    const before = await environmentOf(first.local, "prod");
    const children = await first.children();
    expect(children.length).toBeGreaterThanOrEqual(3);

    expect(await first.stop()).toEqual({ exitCode: 0 });
    expect(await runningOf(children)).toEqual([]);
    await expect(stat(join(stateDir, "local.json"))).rejects.toThrow("ENOENT");

    await using second = await startLocalSystem(stateDir);
    const { token, root_token, clusters } = first.local;
    expect(second.local).toMatchObject({ token, root_token, clusters });
    expect(await environmentOf(second.local, "prod")).toEqual({ ...before, live_backends: 0 });
    await call(second.local, service, "/v3/accounts/demo/services/mine");
    const again = await connectToDemo(second.local, "prod", { key: "k" });
    expect([again.spawned, again.backend_id === backend_id]).toEqual([true, false]);
    expect(await pageOf(again.url)).toContain("hello-world v2 · prod");
  });

  test("Ctrl-C, which comes from the terminal and from npm, ends backends in good order", async () => {
    await using folder = await makeFolder();
    const stateDir = join(folder.path, "state");
    await using first = await startLocalSystem(stateDir, npmCommand);
    const { backend_id } = await connectToDemo(first.local, "prod");
    const children = await first.children();
    first.interrupt();
    await first.ended;
    expect(await runningOf(children)).toEqual([]);

    await using second = await startLocalSystem(stateDir);
    const { statuses } = await call(second.local, backendAnswer, `/v2/backend/${backend_id}`);
    expect(statuses.at(-1)).toMatchObject({ status: "terminated", termination_kind: "soft", exit_code: 0 });
  });

  test("Ctrl-C again does not wait for a backend that ignores the first, and leaves nothing running", async () => {
    await using folder = await makeFolder();
    await using system = await startLocalSystem(join(folder.path, "state"));
    const { api_url: apiUrl, account, token } = system.local;
    const repository = { apiUrl, account, service: "hello-world", token };
    await pushImage(repository, nodeImage(stubbornProgram), ["stubborn"]);
    await connectToDemo(system.local, "prod", { spawn: { tag: "stubborn" } });
    const children = await system.children();
    await vi.waitFor(
      async () => {
        if (system.isRunning()) system.interrupt();
        expect(system.isRunning()).toBe(false);
      },
      { timeout: 20_000 },
    );
    expect(await system.ended).toEqual({ exitCode: 130 });
    await vi.waitFor(async () => expect(await runningOf(children)).toEqual([]), { timeout: 20_000 });
  });

  test("a start that is no longer wanted is broken off, and the next one completes it", async () => {
    await using folder = await makeFolder();
    const stateDir = join(folder.path, "state");
    expect(await breakOffStart(stateDir)).toEqual({ exitCode: 0, output: "" });
    await expect(stat(join(stateDir, "pid"))).rejects.toThrow("ENOENT");
    await using system = await startLocalSystem(stateDir);
    expect((await environmentOf(system.local, "prod")).image).toBe("v1");
  });

  test("a crash leaves backends running, and the next start takes them over", async () => {
    await using folder = await makeFolder();
    const stateDir = join(folder.path, "state");
    const first = await startLocalSystem(stateDir);
    const others = await first.children();
    const { backend_id, url } = await connectToDemo(first.local, "staging");
    const backend = (await first.children()).filter((pid) => !others.includes(pid));
    await first.crash();
    await vi.waitFor(async () => expect(await runningOf(others)).toEqual([]), {
      timeout: 20_000,
      interval: 100,
    });
    expect(await runningOf(backend)).toEqual(backend);

    await using second = await startLocalSystem(stateDir);
    expect(second.local.token).toBe(first.local.token);
    expect(loginUrlOn(second)).not.toBe(loginUrlOn(first));
    expect(second.local.pid).not.toBe(first.local.pid);
    expect(await pageOf(url)).toContain("hello-world v2 · staging");
    const { statuses } = await call(second.local, backendAnswer, `/v2/backend/${backend_id}`);
    expect(statuses.at(-1)).toMatchObject({ status: "ready" });
    await second.stop();
    expect(await runningOf(backend)).toEqual([]);
  });

  test("killed, it is started again at once on the same port, and is not described meanwhile", async () => {
    await using folder = await makeFolder();
    const stateDir = join(folder.path, "state");
    const first = await startLocalSystem(stateDir);
    const port = Number(new URL(first.local.api_url).port);
    const others = await first.children();
    await first.crash();
    await using second = await startLocalSystem(stateDir, nodeCommand, port);
    expect(second.local).toMatchObject({ token: first.local.token, api_url: first.local.api_url });
    expect(await runningOf(others)).toEqual([]);
    const ofSecond = await second.children();
    await second.crash();
    await vi.waitFor(async () => expect(await runningOf(ofSecond)).toEqual([]), { timeout: 20_000 });
    await expect(stat(join(stateDir, "local.json"))).rejects.toThrow("ENOENT");
  });

  test("a disk that takes no more of its logs ends nothing", async () => {
    await using folder = await makeFolder();
    const logs = join(folder.path, "state", "logs");
    await mkdir(logs, { recursive: true });
    // Every write to them fails as on a full disk.
    for (const name of ["worker", "local-staging", "local-prod"])
      await symlink("/dev/full", join(logs, `${name}.log`));
    await using system = await startLocalSystem(join(folder.path, "state"));
    const { url } = await connectToDemo(system.local, "prod");
    expect(await pageOf(url)).toContain("hello-world v1 · prod");
    expect(await system.stop()).toEqual({ exitCode: 0 });
  });

  test("a cluster whose agent finds its port taken is moved to the new one", async () => {
    await using folder = await makeFolder();
    const stateDir = join(folder.path, "state");
    const first = await startLocalSystem(stateDir);
    await first.stop();
    const [staging, prod] = first.local.clusters.map(({ agent_url }) => agent_url);
    const holder = createServer();
    await new Promise<void>((done) => holder.listen(Number(new URL(prod ?? "").port), "127.0.0.1", done));

    await using second = await startLocalSystem(stateDir);
    const moved = second.local.clusters.find(({ name }) => name === "local-prod")?.agent_url;
    expect(moved).not.toBe(prod);
    const { clusters } = await call(second.local, clusterList, "/v3/accounts/demo/clusters");
    expect(clusters.map(({ webhook_url }) => webhook_url)).toEqual([
      `${moved}/webhook`,
      `${staging}/webhook`,
    ]);
    const { url } = await connectToDemo(second.local, "prod");
    expect(await pageOf(url)).toContain("hello-world v1 · prod");
    holder.close();
  });

  test("a first start that broke off is completed by the next one, which keeps what is there", async () => {
    await using folder = await makeFolder();
    const stateDir = join(folder.path, "state");
    const first = await startLocalSystem(stateDir);
    await call(first.local, z.object({ status: z.literal("ok") }), "/v2/service/demo/hello-world/delete", {
      method: "POST",
    });
    await first.stop();
    // As if the first start had created the account and the clusters and had then broken off before noting it.
    await editSecrets(stateDir, { token: null, clusters: {}, seeded: false });

    await using second = await startLocalSystem(stateDir);
    expect(second.local.token).toBe(first.local.token);
    const { url } = await connectToDemo(second.local, "prod");
    expect(await pageOf(url)).toContain("hello-world v1 · prod");
    const pinned = await pin(second.local, "prod", "v2");
    const pushed = await pushesOf(second.local);
    expect(pushed.flatMap(({ tags }) => tags).sort()).toEqual(["latest", "v1", "v2"]);
    await second.stop();
    await editSecrets(stateDir, { seeded: false });

    await using third = await startLocalSystem(stateDir);
    expect(await environmentOf(third.local, "prod")).toMatchObject({
      image: "v2",
      revision: pinned.revision,
    });
    expect(await pushesOf(third.local)).toEqual(pushed);
  });
});
