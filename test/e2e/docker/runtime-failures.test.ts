import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { agentCredentials } from "../../../src/agent/registry/authorization.ts";
import type { RuntimeImage } from "../../../src/agent/runtimes/runtime.ts";
import { formatAccessToken } from "../../../src/protocol/tokens/access-token.ts";
import { eventually } from "../../agent/support/eventually.ts";
import { collect, never } from "../../agent/support/streams.ts";
import { startEngineProxy } from "../../support/docker/engine-proxy.ts";
import { useDockerPlaces } from "../../support/docker/tests.ts";

const digest = `sha256:${"1".repeat(64)}`;
const { places, makePlace, spec, start } = useDockerPlaces({ liveRestore: true });

function imageOf(repository: string): RuntimeImage {
  return { reference: `${repository}@${digest}`, repository, digest, tag: null };
}

async function startProxy() {
  const proxy = await startEngineProxy(places().engine.socketPath);
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  return proxy;
}

/** A registry. @param challenge what it wants before it answers; without one it never answers for a manifest */
async function startRegistry(challenge?: string) {
  const requests: { url: string; authorization: string | undefined }[] = [];
  const server = createServer(({ url = "", headers: { authorization } }, response) => {
    if (challenge !== undefined) response.writeHead(401, { "www-authenticate": challenge }).end("{}");
    else if (url === "/v2/") return response.end("{}");
    requests.push({ url, authorization });
  });
  await new Promise<void>((listens) => server.listen(0, "127.0.0.1", listens));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { repository: `127.0.0.1:${port}/acme/hello`, requests };
}

describe("a pull says why it fails", () => {
  test("a digest that is not there", async () => {
    const { runtime } = await makePlace();
    const { repository } = places().images.serve;
    expect(await runtime.pull(imageOf(repository), never)).toMatchObject({
      ok: false,
      error: { code: "image_not_found", message: expect.stringContaining(`${repository}@${digest}`) },
    });
  });

  test("a registry that is not reached", async () => {
    const { runtime } = await makePlace();
    expect(await runtime.pull(imageOf("127.0.0.1:9/acme/hello"), never)).toMatchObject({
      ok: false,
      error: { code: "unavailable", message: expect.stringContaining("connection refused") },
    });
  });

  test("a token that is not good; and what is there needs none", async () => {
    const wrong = formatAccessToken({ account: "acme", id: "0123456789ab", secret: "s".repeat(43) });
    const credentials = agentCredentials(places().deployment.api.api_url, wrong);
    const [{ runtime }, right] = [await makePlace({ credentials }), await makePlace()];
    const { image } = spec("busy");
    expect(await runtime.pull(image, never)).toMatchObject({ ok: false, error: { code: "forbidden" } });
    expect(await right.runtime.pull(image, never)).toEqual({ ok: true, value: null });
    expect(await runtime.pull(image, never)).toEqual({ ok: true, value: null });
  });

  test.for([
    "acme/hello",
    "../../containers",
    "127.0.0.1:9/../../containers/x",
    "127.0.0.1:9/Acme",
    "host.example/",
  ])("a name that is no repository's: %s", async (repository) => {
    const { runtime } = await makePlace();
    expect(await runtime.pull(imageOf(repository), never)).toMatchObject({
      ok: false,
      error: { code: "image_not_found" },
    });
  });
});

describe("a pull", () => {
  test("shows the agent's token to no other registry", async () => {
    const { runtime } = await makePlace();
    const registry = await startRegistry('Basic realm="elsewhere"');
    expect(await runtime.pull(imageOf(registry.repository), never)).toMatchObject({ ok: false });
    expect(registry.requests.length).toBeGreaterThan(0);
    for (const { authorization } of registry.requests) expect(authorization).toBeUndefined();
  });

  test("is one for all who want the image at once, and ends when nobody wants it any more", async () => {
    const proxy = await startProxy();
    const { runtime } = await makePlace({ engine: { socketPath: proxy.socketPath } });
    const registry = await startRegistry();
    const pulling = () => [...proxy.underWay].filter((request) => request.includes("/images/create"));
    const [one, other] = [new AbortController(), new AbortController()];
    const pulls = [one, other].map(({ signal }) =>
      runtime.pull(imageOf(registry.repository), signal).then(
        () => "ended",
        () => "aborted",
      ),
    );
    await eventually(() => registry.requests).toHaveLength(1);
    one.abort();
    expect(await pulls[0]).toBe("aborted");
    expect(pulling()).toHaveLength(1);
    other.abort();
    expect(await pulls[1]).toBe("aborted");
    await eventually(pulling).toEqual([]);
    expect(proxy.requests.filter((request) => request.includes("/images/create"))).toHaveLength(1);
  });
});

describe("an image that cannot be started", () => {
  test.for([
    ["unstartable", "/nowhere/to/be/found"],
    ["no-command", "No command specified"],
  ] as const)("fails in the engine's words, and leaves no container: %s", async ([image, words]) => {
    const { runtime, scope } = await makePlace();
    expect(await runtime.start(spec(image))).toMatchObject({
      ok: false,
      error: { code: "internal_error", message: expect.stringContaining(words) },
    });
    expect(await places().containersOf(scope)).toEqual([]);
  });

  // Which of the two it is depends on the engine.
  test("fails, or ends at once and says why in its output: not a program", async () => {
    const { runtime } = await makePlace();
    const wanted = spec("not-a-program");
    const started = await runtime.start(wanted);
    if (started.ok) expect(await started.value.exited).not.toBe(0);
    const output = await collect(runtime.logs(wanted.backendId, never));
    const words = started.ok ? output.join("\n") : started.error.message;
    expect(words).toContain("exec format error");
  });
});

describe("an engine's answer that is lost", () => {
  test.for(["/networks/create", "/containers/create", "/start"])(
    "on the way from %s fails the start, and leaves no container",
    async (path) => {
      const proxy = await startProxy();
      const { runtime, scope } = await makePlace({ engine: { socketPath: proxy.socketPath } });
      const lost = spec("serve");
      await runtime.pull(lost.image, never);
      proxy.losesAnswer = ({ method, url }) => method === "POST" && url?.includes(path) === true;
      expect(await runtime.start(lost)).toMatchObject({ ok: false, error: { code: "unavailable" } });
      expect(await places().containersOf(scope)).toEqual([]);
      proxy.losesAnswer = () => false;
      expect(await runtime.start(lost)).toMatchObject({ ok: true });
    },
  );

  test("because it goes away in the middle of a start fails the start once it is back, with no container left", async () => {
    const proxy = await startProxy();
    const { runtime, scope, events } = await makePlace({ engine: { socketPath: proxy.socketPath } });
    proxy.goesAwayAfter = ({ url }) => url?.endsWith("/start") === true;
    const starting = runtime.start(spec("serve"));
    await eventually(() => events.map(({ event }) => event)).toContain("docker.cleanup_failed");
    expect(await places().containersOf(scope)).toHaveLength(1);
    await proxy.comeBack();
    expect(await starting).toMatchObject({ ok: false, error: { code: "unavailable" } });
    expect(await places().containersOf(scope)).toEqual([]);
  });

  test("and a backend's environment is in no address that the engine receives", async () => {
    const proxy = await startProxy();
    const { runtime } = await makePlace({ engine: { socketPath: proxy.socketPath } });
    await start(runtime, "exit", { env: { CODE: "0", SECRET: "whsec" } });
    expect(proxy.requests.join("\n")).toMatch(/containers\/create/);
    expect(proxy.requests.join("\n")).not.toContain("whsec");
  });
});

describe("an engine that is killed and started again", () => {
  test("with live restore, its backends run on and can be ended; their ends and output are reported", async () => {
    const { runtime, open } = await makePlace();
    const backend = await start(runtime, "ignore-sigterm");
    const serving = await start(runtime, "serve");
    const lines: string[] = [];
    const reading = (async () => {
      for await (const line of runtime.logs(backend.id, never)) lines.push(line);
    })();
    let samples = 0;
    const measuring = (async () => {
      for await (const _usage of runtime.stats(backend.id, never)) samples++;
    })();
    let ended = false;
    void backend.exited.then(() => {
      ended = true;
    });
    await eventually(() => lines).toEqual(["ready"]);

    await places().engine.kill();
    const away = { ok: false, error: { code: "unavailable", message: expect.stringContaining("no answer") } };
    expect(await runtime.start(spec("serve"))).toMatchObject(away);
    await expect(runtime.list()).rejects.toThrow();
    await expect(runtime.stop(backend.id, "soft")).rejects.toThrow();
    await places().engine.restart();
    const samplesBefore = samples;

    expect((await open().list()).map(({ backendId }) => backendId).toSorted()).toEqual(
      [backend.id, serving.id].toSorted(),
    );
    expect((await fetch(`http://127.0.0.1:${serving.address.port}/`)).status).toBe(200);
    expect(ended).toBe(false);
    await runtime.stop(backend.id, "soft");
    await eventually(() => lines).toEqual(["ready", "not yet"]);
    await eventually(() => samples).toBeGreaterThan(samplesBefore);
    await runtime.stop(backend.id, "hard");
    expect(await backend.exited).toBe(137);
    await Promise.all([reading, measuring]);
    expect(lines).toEqual(["ready", "not yet"]);
  });

  test("a backend that ends while it is away is reported to have ended, with its exit code", async () => {
    const { runtime } = await makePlace();
    const backend = await start(runtime, "say", { env: { WORDS: "a b c d e f g h i j" } });
    await places().engine.kill();
    await places().engine.restart();
    expect(await backend.exited).toBe(0);
  });

  test("without live restore, its backends end with it, and that is reported", async () => {
    await places().engine.restart({ liveRestore: false });
    const { runtime, open } = await makePlace();
    const backend = await start(runtime, "serve");
    const reading = collect(runtime.logs(backend.id, never));
    await places().engine.kill();
    await places().engine.restart();
    expect(await backend.exited).not.toBe(0);
    expect(await reading).toEqual(["serving"]);
    const [found] = await open().list();
    expect(found?.backendId).toBe(backend.id);
    expect(await found?.exited).toBe(await backend.exited);
    await expect(fetch(`http://127.0.0.1:${backend.address.port}/`)).rejects.toThrow();
  });
});

test("a backend whose container somebody removed has ended, though nobody can tell how", async () => {
  const proxy = await startProxy();
  const { runtime } = await makePlace({ engine: { socketPath: proxy.socketPath } });
  proxy.losesAnswer = ({ url }) => url?.endsWith("/wait") === true;
  const backend = await start(runtime, "serve");
  await places().docker("rm", "--force", backend.id);
  proxy.losesAnswer = () => false;
  expect(await backend.exited).toBeNull();
  expect(await runtime.list()).toEqual([]);
});
