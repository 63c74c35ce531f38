import { runDurableObjectAlarm } from "cloudflare:test";
import fc from "fast-check";
import { expect, vi } from "vitest";
import { evict } from "../../support/worker/clock.ts";
import type { ScriptedCluster } from "../../support/worker/scripted-cluster.ts";
import { test } from "../support/object-test.ts";
import { caller, digestNumber, type Hello, setUp, value } from "../support/service.ts";

const environments = ["default", "staging", "prod"] as const;
const tags = ["latest", "v1", "v2"] as const;
const keys = ["doc-1", "doc-2"] as const;

type Step =
  | { do: "push"; digest: number; tag: string | null }
  | { do: "pin"; environment: string; image: { tag: string } | { digest: number } }
  | { do: "connect"; environment: string; key: string | null; webhook: "ok" | "lost" | "500" | "refused" }
  | { do: "connect many"; environment: string; key: string | null; times: number; pinTo: number | null }
  | { do: "report"; backend: number; status: "loading" | "ready" | "terminating" | "terminated" }
  | { do: "terminate"; backend: number; hard: boolean }
  | { do: "pass time"; ms: number }
  | { do: "evict" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("push"),
      digest: fc.integer({ min: 1, max: 5 }),
      tag: fc.constantFrom(...tags, null),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("pin"),
      environment: fc.constantFrom(...environments),
      image: fc.oneof(
        fc.record({ tag: fc.constantFrom(...tags) }),
        fc.record({ digest: fc.integer({ min: 1, max: 5 }) }),
      ),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("connect"),
      environment: fc.constantFrom(...environments),
      key: fc.constantFrom(...keys, null),
      webhook: fc.constantFrom("ok", "ok", "ok", "lost", "500", "refused"),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("connect many"),
      environment: fc.constantFrom(...environments),
      key: fc.constantFrom(...keys, null),
      times: fc.integer({ min: 2, max: 4 }),
      pinTo: fc.option(fc.integer({ min: 1, max: 5 })),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("report"),
      backend: fc.nat(20),
      status: fc.constantFrom("loading", "ready", "ready", "terminating", "terminated"),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("terminate"), backend: fc.nat(20), hard: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("pass time"),
      ms: fc.constantFrom(1_000, 5_000, 40_000, 400_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("evict") }) },
);

interface ModelBackend {
  id: string;
  environment: string;
  key: string | null;
  digest: string;
  token: number;
  state: "live" | "ending" | "ended";
}

/** The rules, on plain maps. */
class Model {
  readonly digests = new Set<string>();
  readonly tags = new Map<string, string>();
  readonly pins = new Map<string, string>(environments.map((name) => [name, "latest"]));
  readonly revisions = new Map<string, number>(environments.map((name) => [name, 1]));
  readonly backends: ModelBackend[] = [];
  highestToken = 0;

  digestOf(image: string): string | undefined {
    return image.startsWith("sha256:") ? (this.digests.has(image) ? image : undefined) : this.tags.get(image);
  }

  holder(environment: string, key: string | null): ModelBackend | undefined {
    if (key === null) return undefined;
    return this.backends.find(
      (backend) => backend.environment === environment && backend.key === key && backend.state !== "ended",
    );
  }
}

function spawnSent(cluster: ScriptedCluster, backendId: string) {
  const sent = cluster
    .of("backend.spawn")
    .flatMap(({ message }) =>
      message.type === "backend.spawn" && message.data.backend_id === backendId ? [message.data] : [],
    );
  const [first] = sent;
  if (!first) throw new Error(`no spawn of ${backendId} was sent`);
  // Invariant 3: every delivery of one spawn carries the digest that was decided.
  expect(new Set(sent.map((data) => JSON.stringify(data))).size).toBe(1);
  return first;
}

/** Adds a spawn to the model and checks the fencing token: invariant 4. */
function spawned(
  cluster: ScriptedCluster,
  model: Model,
  backendId: string,
  environment: string,
  key: string | null,
  floor: number,
): ModelBackend {
  const data = spawnSent(cluster, backendId);
  expect(data.fencing_token).toBeGreaterThan(floor);
  expect(data).toMatchObject({ environment, key });
  const backend: ModelBackend = {
    id: backendId,
    environment,
    key,
    digest: data.image.digest,
    token: data.fencing_token,
    state: "live",
  };
  model.backends.push(backend);
  model.highestToken = Math.max(model.highestToken, backend.token);
  return backend;
}

async function connect(
  cluster: ScriptedCluster,
  hello: Hello,
  model: Model,
  { environment, key, webhook }: Extract<Step, { do: "connect" }>,
) {
  const holder = model.holder(environment, key);
  const params = { environment, ...(key === null ? {} : { key }) };
  if (holder?.state === "ending") {
    const refused = await hello.connect({ ...params, spawn: null });
    expect(refused).toMatchObject({ ok: false, error: { code: "key_not_held" } });
    return;
  }
  if (!holder) {
    if (webhook === "lost") cluster.script(() => Promise.reject(new TypeError("connection closed")));
    if (webhook === "500") cluster.script(500);
    if (webhook === "refused") cluster.script(409);
  }
  const expected = model.digestOf(model.pins.get(environment) ?? "");
  const result = await hello.connect(params);
  if (holder) {
    expect(value(result)).toMatchObject({ spawned: false, backendId: holder.id });
  } else if (expected === undefined) {
    cluster.forgetScript();
    expect(result).toMatchObject({ ok: false, error: { code: "image_not_found" } });
  } else if (webhook === "refused") {
    if (result.ok) throw new Error("a refused spawn was answered with a connection");
    expect(result.error.code).toBe("cluster_refused");
    const backend = spawned(
      cluster,
      model,
      String(result.error.details?.backend_id),
      environment,
      key,
      model.highestToken,
    );
    expect(backend.digest).toBe(expected);
    backend.state = "ended";
  } else {
    const connection = value(result);
    expect(connection.spawned).toBe(true);
    // Invariant 2: what was pinned or pushed before this began is what runs.
    expect(spawned(cluster, model, connection.backendId, environment, key, model.highestToken).digest).toBe(
      expected,
    );
  }
}

/** Several connects and a pin at once: any order of them is right, but one order it must be. */
async function connectMany(
  cluster: ScriptedCluster,
  hello: Hello,
  model: Model,
  step: Extract<Step, { do: "connect many" }>,
) {
  const { environment, key } = step;
  const before = model.digestOf(model.pins.get(environment) ?? "");
  const pinned = step.pinTo === null ? undefined : digestNumber(step.pinTo);
  if (model.holder(environment, key)?.state === "ending" || before === undefined) return;
  if (pinned !== undefined && !model.digests.has(pinned)) return;
  const holder = model.holder(environment, key);
  const floor = model.highestToken;
  const connects = Array.from({ length: step.times }, () =>
    hello.connect({ environment, ...(key === null ? {} : { key }) }),
  );
  const pin = pinned && hello.service().pin(environment, { image: pinned }, caller);
  const connections = (await Promise.all(connects)).map(value);
  if (pin) {
    value(await pin);
    model.pins.set(environment, pinned);
    model.revisions.set(environment, (model.revisions.get(environment) ?? 0) + 1);
  }
  const started = connections.filter((connection) => connection.spawned);
  expect(started).toHaveLength(key === null ? step.times : holder ? 0 : 1);
  if (key !== null) expect(new Set(connections.map(({ backendId }) => backendId)).size).toBe(1);
  for (const { backendId } of started) {
    expect([before, pinned]).toContain(spawned(cluster, model, backendId, environment, key, floor).digest);
  }
  expect(new Set(model.backends.map(({ token }) => token)).size).toBe(model.backends.length);
}

async function report(hello: Hello, model: Model, step: Extract<Step, { do: "report" }>) {
  const backend = model.backends[step.backend % Math.max(model.backends.length, 1)];
  if (!backend || backend.state === "ended") return;
  value(await hello.report(backend.id, backend.token, step.status));
  if (step.status === "terminating") backend.state = "ending";
  if (step.status === "terminated") backend.state = "ended";
}

async function terminate(hello: Hello, model: Model, step: Extract<Step, { do: "terminate" }>) {
  const backend = model.backends[step.backend % Math.max(model.backends.length, 1)];
  if (!backend) return;
  const result = await hello.service().terminate(backend.id, step.hard, caller);
  if (backend.state === "ended")
    expect(result).toMatchObject({ ok: false, error: { code: "backend_not_running" } });
  else {
    value(result);
    backend.state = "ending";
  }
}

/** Time ends what nobody has reported on: the model takes over what the clock did, and checks that it may. */
async function passTime(cluster: ScriptedCluster, hello: Hello, model: Model, ms: number) {
  vi.setSystemTime(Date.now() + ms);
  await runDurableObjectAlarm(hello.service());
  await cluster.quiet();
  const live = new Map(
    value(await hello.service().liveBackends()).map(({ info, status }) => [info.id, status.status]),
  );
  for (const backend of model.backends) {
    if (backend.state === "ended") continue;
    const status = live.get(backend.id);
    if (status === undefined) backend.state = "ended";
    else if (status.includes("terminating")) backend.state = "ending";
    else expect(backend.state).toBe("live");
  }
}

async function run(cluster: ScriptedCluster, hello: Hello, model: Model, now: Step): Promise<void> {
  switch (now.do) {
    case "push":
      await hello.push(now.digest, now.tag ?? undefined);
      model.digests.add(digestNumber(now.digest));
      if (now.tag !== null) model.tags.set(now.tag, digestNumber(now.digest));
      return;
    case "pin": {
      const image = "tag" in now.image ? now.image.tag : digestNumber(now.image.digest);
      const result = await hello.service().pin(now.environment, { image }, caller);
      const digest = model.digestOf(image);
      if (digest === undefined)
        return expect(result).toMatchObject({ ok: false, error: { code: "image_not_found" } });
      const revision = (model.revisions.get(now.environment) ?? 0) + 1;
      expect(value(result)).toMatchObject({ digest, revision, previous: { revision: revision - 1 } });
      model.pins.set(now.environment, image);
      model.revisions.set(now.environment, revision);
      return;
    }
    case "connect":
      return connect(cluster, hello, model, now);
    case "connect many":
      return connectMany(cluster, hello, model, now);
    case "report":
      return report(hello, model, now);
    case "terminate":
      return terminate(hello, model, now);
    case "pass time":
      return passTime(cluster, hello, model, now.ms);
    case "evict":
      await cluster.quiet();
      return evict(hello.service());
  }
}

/** Invariant 1 and the model's own picture, compared with what the object says. */
async function check(hello: Hello, model: Model): Promise<void> {
  const live = value(await hello.service().liveBackends());
  const held = live.flatMap(({ info }) => (info.key === null ? [] : [`${info.environment}/${info.key}`]));
  expect(new Set(held).size).toBe(held.length);
  expect(new Set(live.map(({ info }) => info.id))).toEqual(
    new Set(model.backends.flatMap(({ id, state }) => (state === "ended" ? [] : [id]))),
  );
  for (const { info } of live) {
    expect(info.digest).toBe(model.backends.find(({ id }) => id === info.id)?.digest);
  }
}

test("decides every interleaving of pins, pushes, spawns, reports, ends, losses and evictions as the rules say", {
  timeout: 120_000,
}, async ({ cluster }) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40, size: "max" }), async (steps) => {
      const hello = await setUp();
      for (const name of ["staging", "prod"]) {
        value(await hello.service().createEnvironment({ name, image: "latest" }, caller));
      }
      const model = new Model();
      const firstPush: Step = { do: "push", digest: 1, tag: "latest" };
      for (const now of [firstPush, ...steps]) {
        await run(cluster, hello, model, now);
        await check(hello, model);
      }
    }),
    { numRuns: 50 },
  );
});
