import { once } from "node:events";
import { decodeJwt } from "jose";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { WebSocket } from "ws";
import { z } from "zod";
import { statusOk, v1State } from "../../../src/protocol/jamsocket/v1.ts";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { connectionSecret } from "../../../src/protocol/tokens/connection-secret.ts";
import { call, untilStatus } from "../../support/api.ts";
import { type DockerCluster, pushSessionBackends, startDockerCluster } from "../../support/docker/cluster.ts";
import { refused, shown, statusesShown, succeeding } from "../../support/jamsocket.ts";
import { share } from "../../support/shared.ts";

const memoryLimitBytes = 128 * 1024 * 1024;

let cluster: DockerCluster;
/** The digests that docker received when it pushed. */
let v1: string;
let v2: string;

share({
  programs: ["dockerd", "docker"],
  async start(stack) {
    cluster = stack.use(await startDockerCluster());
    [v1 = "", v2 = ""] = await pushSessionBackends(cluster, ["v1", "v2"]);
    for (const name of ["prod", "staging"]) await cluster.addEnvironment(name, "v2");
  },
});

const jamsocket = (...args: string[]) => succeeding(cluster.jamsocket, ...args);
const infoOf = (id: string) => jamsocket("backend", "info", id);
const lastShown = async (id: string) => statusesShown(await infoOf(id)).at(-1);

/** Connects with the CLI and waits until the backend is ready. */
async function connect(...args: string[]) {
  const output = await jamsocket("connect", ...args);
  const statusUrl = shown(output, "status url");
  await untilStatus(statusUrl, "ready");
  return { output, id: shown(output, "backend id"), url: shown(output, "backend url"), statusUrl };
}

/** What `session-backend.ts` answers of a request and of itself. */
const received = z.object({ url: z.string(), headers: z.record(z.string(), z.string()) });
const answer = received.extend({ version: z.string(), env: z.record(z.string(), z.string()) });

async function fetchBackend(url: string, headers: Record<string, string> = {}) {
  return answer.parse(await (await fetch(url, { headers })).json());
}

/** Opens a WebSocket that the test closes at its end. @returns it, and the backend's first message */
async function openSocket(url: string, headers: Record<string, string> = {}) {
  const socket = new WebSocket(url.replace(/^http/, "ws"), { headers });
  onTestFinished(() => socket.terminate());
  const [message] = await once(socket, "message");
  return { socket, greeting: received.parse(JSON.parse(String(message))) };
}

function verifiedAmong(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => /verified/i.test(name)));
}

async function untilGone(id: string): Promise<void> {
  await vi.waitFor(async () => expect(await cluster.containers()).not.toContain(id), { timeout: 30_000 });
}

describe("a backend", () => {
  test("runs the digest that its environment is pinned to, in a container that only this machine reaches", async () => {
    const images = () => cluster.docker("image", "ls", "--digests");
    expect(await images()).not.toContain(v1);
    await jamsocket("service", "use-image", "hello/prod", "-i", "v1");
    // It is pulled when it is pinned: the first who connects need not wait for it.
    await vi.waitFor(async () => expect(await images()).toContain(v1), { timeout: 30_000 });
    const { id, url } = await connect("hello/prod", "-k", "pinned");
    expect((await fetchBackend(url)).version).toBe("v1");

    const reference = `${cluster.repository}@${v1}`;
    expect(await cluster.inspect(id, ".Config.Image")).toBe(reference);
    const image = String(await cluster.inspect(id, ".Image"));
    expect(await cluster.inspect(image, ".RepoDigests")).toEqual([reference]);
    expect(await cluster.inspect(id, ".Config.Labels")).toMatchObject({
      "dev.slipway.account": "acme",
      "dev.slipway.service": "hello",
      "dev.slipway.environment": "prod",
      "dev.slipway.cluster": "docker",
      "dev.slipway.backend": id,
      "dev.slipway.key": "pinned",
      "dev.slipway.digest": v1,
    });
    expect(await cluster.inspect(id, ".NetworkSettings.Ports")).toEqual({
      "8080/tcp": [{ HostIp: "127.0.0.1", HostPort: expect.stringMatching(/^\d+$/) }],
    });

    const info = await infoOf(id);
    expect(info).toContain("cluster:      docker\n");
    expect(info).toContain(`image digest: ${v1}\nkey:          pinned\nenvironment:  prod\n`);
    expect(statusesShown(info)).toEqual(["scheduled", "loading", "starting", "waiting", "ready"]);
    const listed = (await jamsocket("backend", "list")).split("\n").find((line) => line.includes(id));
    expect(listed).toMatch(/ acme +hello +ready \(.*\) +pinned/);
  });

  test("sees who connects, and nothing that a client forges, over HTTP and WebSocket", async () => {
    const { id, url } = await connect("hello/prod", "-u", "ada", "-a", '{"role":"editor"}');
    const forged = {
      "x-verified-username": "root",
      "X-Verified-User-Data": '{"role":"admin"}',
      "x-verified-anything": "at all",
      x_verified_username: "root",
    };
    const secret = { "x-verified-secret": expect.stringMatching(/^[0-9a-f]{64}$/) };
    const user = { "x-verified-username": "ada", "x-verified-user-data": '{"role":"editor"}' };
    const verified = { ...user, ...secret, "x-verified-backend": id };
    const page = await fetchBackend(`${url}a/path?with=this`, forged);
    expect(page.url).toBe("/a/path?with=this");
    expect(verifiedAmong(page.headers)).toEqual({ ...verified, "x-verified-path": "/a/path" });

    const { socket, greeting } = await openSocket(`${url}socket?with=that`, forged);
    expect(greeting.url).toBe("/socket?with=that");
    expect(verifiedAmong(greeting.headers)).toEqual({ ...verified, "x-verified-path": "/socket" });
    for (const message of ["words", Buffer.from([0, 255, 13, 10])]) {
      socket.send(message);
      const [echo, isBinary] = await once(socket, "message");
      expect(Buffer.from(echo)).toEqual(Buffer.from(message));
      expect(isBinary).toBe(typeof message !== "string");
    }

    const nobody = await connect("hello/prod");
    expect(verifiedAmong((await fetchBackend(nobody.url, forged)).headers)).toEqual({
      ...secret,
      "x-verified-user-data": "{}",
      "x-verified-backend": nobody.id,
      "x-verified-path": "/",
    });
  });

  test("is one container for all who connect with a key at once, and knows from its environment what it is", async () => {
    const args = ["hello/staging", "-k", "doc-1", "-e", "COLOUR=green", "-e", "SUM=1+1=2"];
    const connections = await Promise.all([connect(...args), connect(...args)]);
    const [{ id, url, statusUrl }] = connections;
    expect(connections.map((connection) => connection.id)).toEqual([id, id]);
    expect(connections.map(({ output }) => shown(output, "spawned")).toSorted()).toEqual(["false", "true"]);
    expect(await cluster.containers("label=dev.slipway.key=doc-1")).toEqual([id]);

    const connection = await call(cluster.api, connectAnswer, "/v2/service/acme/hello/staging/connect", {
      json: { key: "doc-1", spawn: false },
    });
    const { env } = await fetchBackend(url);
    expect(env).toMatchObject({
      PORT: "8080",
      SESSION_BACKEND_ID: id,
      SESSION_BACKEND_KEY: "doc-1",
      JAMSOCKET_SERVICE: "hello",
      SLIPWAY_ENVIRONMENT: "staging",
      SLIPWAY_IMAGE: "v2",
      SLIPWAY_IMAGE_DIGEST: v2,
      COLOUR: "green",
      SUM: "1+1=2",
    });
    const { SESSION_BACKEND_STATIC_TOKEN: spawnSecret } = z
      .object({ SESSION_BACKEND_STATIC_TOKEN: z.string() })
      .parse(env);
    expect(connectionSecret(spawnSecret, decodeJwt(connection.token).jti ?? "")).toBe(
      connection.secret_token,
    );

    await jamsocket("terminate", "--force", id);
    await untilStatus(statusUrl, "terminated");
    const next = await connect(...args);
    expect(shown(next.output, "spawned")).toBe("true");
    await untilGone(id);
    expect(await cluster.containers("label=dev.slipway.key=doc-1")).toEqual([next.id]);
    const token = ({ SESSION_BACKEND_FENCING_TOKEN }: Record<string, string>) =>
      Number(SESSION_BACKEND_FENCING_TOKEN);
    expect(token((await fetchBackend(next.url)).env)).toBeGreaterThan(token(env));
  });

  test.each(["PORT", "SESSION_BACKEND_ID", "JAMSOCKET_SERVICE", "SLIPWAY_IMAGE_DIGEST"])(
    "is not started with a `%s` of a client's choice",
    async (name) => {
      const why = await refused(cluster.jamsocket, "connect", "hello/prod", "-k", name, "-e", `${name}=1`);
      expect(why).toContain(`env variable \`${name}\` is reserved`);
      expect(await cluster.containers(`label=dev.slipway.key=${name}`)).toEqual([]);
    },
  );
});

describe("what a backend prints and uses", () => {
  test("is shown by the CLI until it ends, under the limit of the spawn, and the output after it too", async () => {
    const resource_limits = { memory_limit_bytes: memoryLimitBytes };
    const connection = await call(cluster.api, connectAnswer, "/v2/service/acme/hello/prod/connect", {
      json: { spawn: { executable: { resource_limits } } },
    });
    const { backend_id: id, url, status_url } = connection;
    await untilStatus(status_url, "ready");
    expect(await cluster.inspect(id, ".HostConfig.Memory")).toBe(memoryLimitBytes);

    const logs = jamsocket("logs", id);
    const metrics = jamsocket("backend", "metrics", id);
    const requested = () =>
      cluster.agent.events().flatMap(({ event, kind }) => (event === "output.asked" ? [kind] : []));
    await vi.waitFor(() => expect(requested().toSorted()).toEqual(["logs", "metrics"]), { timeout: 30_000 });
    // Who subscribed before has had a sample by the time that this one comes.
    const headers = { authorization: `Bearer ${cluster.api.token}` };
    const samples = await fetch(`${cluster.api.api_url}/v2/backend/${id}/metrics/stream`, { headers });
    for await (const chunk of samples.body ?? []) if (chunk.length > 1) break;
    await fetchBackend(`${url}page`);
    await jamsocket("terminate", id);

    const lines = ["version v1 listens", "asked for /page", "asked to end"];
    expect((await logs).split("\n")).toEqual(expect.arrayContaining(lines));
    const [, used, available] = /\d+\.\d%\s+(\d+\.\d\d) MiB\s+(\d+\.\d\d) MiB/.exec(await metrics) ?? [];
    expect(Number(used) + Number(available)).toBeCloseTo(memoryLimitBytes / 1024 ** 2, 1);
    await untilGone(id);
    expect((await jamsocket("backend", "logs", id)).split("\n")).toEqual(expect.arrayContaining(lines));
  });
});

describe("a backend's end", () => {
  test("comes when it is idle, and not while somebody is connected", async () => {
    const limit = ["-i", "5"];
    const output = await jamsocket("connect", "hello/prod", ...limit);
    const used = { id: shown(output, "backend id"), statusUrl: shown(output, "status url") };
    const { socket } = await openSocket(shown(output, "backend url"));
    const idle = await connect("hello/prod", ...limit);
    await untilStatus(idle.statusUrl, "terminated");
    expect(await lastShown(idle.id)).toBe("terminated (reason: swept, kind: soft, exit code: 0)");
    await untilGone(idle.id);
    expect(await cluster.inspect(used.id, ".State.Running")).toBe(true);

    socket.close();
    await untilStatus(used.statusUrl, "terminated");
    expect(await lastShown(used.id)).toBe("terminated (reason: swept, kind: soft, exit code: 0)");
    await untilGone(used.id);
    expect(await jamsocket("backend", "list")).not.toContain(used.id);
  });

  test.for([
    { how: "requested softly", args: ["terminate"], end: "kind: soft, exit code: 0" },
    { how: "requested by force", args: ["terminate", "--force"], end: "kind: hard, exit code: 137" },
  ])("$how is the one that it gets", async ({ args, end }) => {
    const { id, statusUrl } = await connect("hello/prod");
    expect(await jamsocket(...args, id)).toContain(`Termination requested for backend: ${id}`);
    await untilStatus(statusUrl, "terminated");
    expect(await lastShown(id)).toBe(`terminated (reason: external, ${end})`);
    await untilGone(id);
  });

  test("requested in version 1 is a hard one", async () => {
    const { id, statusUrl } = await connect("hello/prod");
    await call(cluster.api, statusOk, `/v1/backend/${id}/terminate`, { method: "POST" });
    await untilStatus(statusUrl, "terminated");
    expect(await lastShown(id)).toBe("terminated (reason: external, kind: hard, exit code: 137)");
    await untilGone(id);
  });

  test("of its own making is shown with its exit code", async () => {
    const { id, url, statusUrl } = await connect("hello/prod");
    await fetchBackend(`${url}exit/4`);
    await untilStatus(statusUrl, "terminated");
    expect(await lastShown(id)).toBe("terminated (reason: none, kind: none, exit code: 4)");
    expect((await call(cluster.api, v1State, `/v1/backend/${id}/status`)).state).toBe("Failed");
    await untilGone(id);
  });
});

test("an agent that is to stop ends what still runs, and leaves no container", async () => {
  const { id } = await connect("hello/prod");
  cluster.agent.signal("SIGTERM");
  expect(await cluster.agent.ended).toEqual({ exitCode: 0, stderr: "" });
  expect(await lastShown(id)).toBe("terminated (reason: external, kind: soft, exit code: 0)");
  expect(await cluster.containers()).toEqual([]);
});
