import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import fc from "fast-check";
import { expect, vi } from "vitest";
import { drainHeldUpShown } from "../../../src/domain/limits.ts";
import type { Service } from "../../../src/objects/service/service.ts";
import type { BackendRow } from "../../../src/objects/service/sql/service.sql.ts";
import { kill } from "../../support/worker/clock.ts";
import type { ScriptedCluster } from "../../support/worker/scripted-cluster.ts";
import {
  type Answer,
  type Commands,
  type Looks,
  type Narrowing,
  ofObject,
  ofToken,
} from "../support/commands.ts";
import { drainBody } from "../support/drains.ts";
import { test } from "../support/object-test.ts";
import { caller, digestNumber, type Hello, setUp, value } from "../support/service.ts";

const environments = ["default", "staging", "prod"] as const;
const tags = ["latest", "v1", "v2"] as const;
const keys = ["doc-1", "doc-2"] as const;

/** Who sends commands: a caller that nothing narrows, or a token that is narrowed. */
const narrowed = ["of the service", "of staging", "of all but staging", "of another service"] as const;
type Narrowed = (typeof narrowed)[number];
type By = Narrowed | "anybody";
const narrowings: Readonly<Record<Narrowed, Narrowing>> = {
  "of the service": { service: "hello" },
  "of staging": { service: "hello", environments: ["staging"] },
  "of all but staging": { service: "hello", environments: ["default", "prod"] },
  "of another service": { service: "other" },
};
const by: fc.Arbitrary<By> = fc.constantFrom("anybody", "anybody", "anybody", "anybody", ...narrowed);

type Step =
  | { do: "push"; digest: number; tag: string | null }
  | { do: "push artifact"; digest: number; tag: string }
  | { do: "pin"; by: By; environment: string; image: { tag: string } | { digest: number } }
  /** A push and a pin at once, under the revision that somebody has seen before both. */
  | {
      do: "race";
      digest: number;
      tag: string;
      environment: string;
      image: { tag: string } | { digest: number };
    }
  | {
      do: "connect";
      by: By;
      environment: string;
      key: string | null;
      webhook: "ok" | "lost" | "500" | "refused";
    }
  | { do: "connect many"; environment: string; key: string | null; times: number; pinTo: number | null }
  | { do: "report"; backend: number; status: "loading" | "ready" | "terminating" | "terminated" }
  | { do: "terminate"; by: By; backend: number; hard: boolean }
  /** What a backend runs, or something else, in its environment. */
  | { do: "drain"; backend: number; digest: number | null }
  /** Pins the environment of a drain to what that drains. */
  | { do: "go back"; drain: number }
  | { do: "look"; by: Narrowed }
  | { do: "pass time"; ms: number }
  | { do: "kill" };

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
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("push artifact"),
      digest: fc.constantFrom(6, 7),
      tag: fc.constantFrom(...tags),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("pin"),
      by,
      environment: fc.constantFrom(...environments),
      image: fc.oneof(
        fc.record({ tag: fc.constantFrom(...tags) }),
        fc.record({ digest: fc.integer({ min: 1, max: 6 }) }),
      ),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("race"),
      digest: fc.integer({ min: 1, max: 5 }),
      tag: fc.constantFrom(...tags),
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
      by,
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
    arbitrary: fc.record({ do: fc.constant("terminate"), by, backend: fc.nat(20), hard: fc.boolean() }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("drain"),
      backend: fc.nat(20),
      digest: fc.constantFrom(null, null, null, 1, 2, 5),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("go back"), drain: fc.nat(5) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("look"), by: fc.constantFrom(...narrowed) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("pass time"),
      ms: fc.constantFrom(1_000, 5_000, 40_000, 400_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("kill") }) },
);

interface ModelBackend {
  id: string;
  environment: string;
  key: string | null;
  digest: string;
  token: number;
  state: "live" | "ending" | "ended";
}

interface ModelDrain {
  id: string;
  environment: string;
  digest: string;
  meant: readonly ModelBackend[];
  /** How it ended, and how many of those that it means had by then; null while it is under way. */
  over: { state: "drained" | "cancelled"; ended: number } | null;
}

const endedOf = ({ meant }: ModelDrain) => meant.filter(({ state }) => state === "ended").length;

/** The rules, on plain maps. */
class Model {
  readonly digests = new Set<string>();
  readonly tags = new Map<string, string>();
  /** What was pushed and is no image, and the tags whose latest push was of one. */
  readonly artifacts = new Set<string>();
  readonly artifactTags = new Set<string>();
  readonly pins = new Map<string, string>(environments.map((name) => [name, "latest"]));
  readonly revisions = new Map<string, number>(environments.map((name) => [name, 1]));
  /** Of each environment, oldest first: its kind, and what it resolved to. */
  readonly histories = new Map<string, [kind: string, digest: string | null][]>(
    environments.map((name) => [name, [["create", null]]]),
  );
  readonly backends: ModelBackend[] = [];
  readonly drains: ModelDrain[] = [];
  highestToken = 0;

  digestOf(image: string): string | undefined {
    return image.startsWith("sha256:") ? (this.digests.has(image) ? image : undefined) : this.tags.get(image);
  }

  /** Why there is no digest of an image. */
  refusalOf(image: string): string {
    const isArtifact = this.artifacts.has(image) || this.artifactTags.has(image);
    return isArtifact ? "image_not_runnable" : "image_not_found";
  }

  pushArtifact(digest: string, tag: string): void {
    this.artifacts.add(digest);
    this.artifactTags.add(tag);
  }

  push(digest: string, tag: string | null): void {
    this.digests.add(digest);
    if (tag !== null) this.artifactTags.delete(tag);
    if (tag === null || this.tags.get(tag) === digest) return;
    this.tags.set(tag, digest);
    for (const [name, image] of this.pins) if (image === tag) this.#revise(name, "push");
  }

  pin(environment: string, image: string): void {
    this.pins.set(environment, image);
    this.#revise(environment, "pin");
  }

  #revise(environment: string, kind: string): void {
    const digest = this.digestOf(this.pins.get(environment) ?? "") ?? null;
    this.revisions.set(environment, (this.revisions.get(environment) ?? 0) + 1);
    this.histories.get(environment)?.push([kind, digest]);
    this.settleDrains();
    for (const drain of this.drains) {
      const isCurrent = drain.environment === environment && drain.digest === digest;
      if (drain.over === null && isCurrent) drain.over = { state: "cancelled", ended: endedOf(drain) };
    }
  }

  /** A drain is over with the last end of those that it means. */
  settleDrains(): void {
    for (const drain of this.drains) {
      const ended = endedOf(drain);
      if (drain.over === null && ended === drain.meant.length) drain.over = { state: "drained", ended };
    }
  }

  /** Whether a command about an environment is carried out. */
  reaches(by: By, environment: string): boolean {
    if (by === "anybody") return true;
    const { service, environments: reached } = narrowings[by];
    return service === "hello" && (reached === undefined || reached.includes(environment));
  }

  /** What no answer to a token may hold that its request did not: environments' names, and ids of their backends. */
  hiddenFrom(by: By): string[] {
    const isHidden = (environment: string) => !this.reaches(by, environment);
    return [
      ...environments.filter(isHidden),
      ...this.backends.flatMap(({ id, environment }) => (isHidden(environment) ? [id] : [])),
    ];
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

interface World {
  hello: Hello;
  model: Model;
  /** By each of those who send commands. */
  commands: { anybody: Commands } & Record<Narrowed, Commands & Looks>;
}

/** A token for each way to be narrowed, whose answers are searched for what is hidden from it. */
async function commandsOf(hello: Hello, model: Model): Promise<World["commands"]> {
  const ofNarrowed = (who: Narrowed) =>
    ofToken(hello, narrowings[who], (sent, answered) => {
      const read = model.hiddenFrom(who).filter((name) => answered.includes(name) && !sent.includes(name));
      expect([who, sent, read]).toEqual([who, sent, []]);
    });
  return {
    anybody: ofObject(hello),
    "of the service": await ofNarrowed("of the service"),
    "of staging": await ofNarrowed("of staging"),
    "of all but staging": await ofNarrowed("of all but staging"),
    "of another service": await ofNarrowed("of another service"),
  };
}

/** A command outside of what its token is narrowed to. That it changed nothing is what `check` finds. */
async function refused(cluster: ScriptedCluster, command: Promise<Answer<unknown>>) {
  const received = cluster.received.length;
  expect(await command).toMatchObject({ ok: false, error: { code: "forbidden" } });
  expect(cluster.received.length).toBe(received);
}

async function connect(
  cluster: ScriptedCluster,
  { model, commands }: World,
  { by, environment, key, webhook }: Extract<Step, { do: "connect" }>,
) {
  const ask = (params: { spawn?: null }) =>
    commands[by].connect({ environment, ...(key === null ? {} : { key }), ...params });
  if (!model.reaches(by, environment)) return refused(cluster, ask({}));
  const holder = model.holder(environment, key);
  if (holder?.state === "ending") {
    expect(await ask({ spawn: null })).toMatchObject({ ok: false, error: { code: "key_not_held" } });
    return;
  }
  if (!holder) {
    if (webhook === "lost") cluster.script(() => Promise.reject(new TypeError("connection closed")));
    if (webhook === "500") cluster.script(500);
    if (webhook === "refused") cluster.script(409);
  }
  const expected = model.digestOf(model.pins.get(environment) ?? "");
  const result = await ask({});
  if (holder) {
    expect(value(result)).toMatchObject({ spawned: false, backendId: holder.id });
  } else if (expected === undefined) {
    cluster.forgetScript();
    const code = model.refusalOf(model.pins.get(environment) ?? "");
    expect(result).toMatchObject({ ok: false, error: { code } });
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
    model.pin(environment, pinned);
  }
  const started = connections.filter((connection) => connection.spawned);
  expect(started).toHaveLength(key === null ? step.times : holder ? 0 : 1);
  if (key !== null) expect(new Set(connections.map(({ backendId }) => backendId)).size).toBe(1);
  for (const { backendId } of started) {
    expect([before, pinned]).toContain(spawned(cluster, model, backendId, environment, key, floor).digest);
  }
  expect(new Set(model.backends.map(({ token }) => token)).size).toBe(model.backends.length);
}

/** Either order is right, and If-Match says which it was: a pin after a push that has moved the environment is refused. */
async function race(hello: Hello, model: Model, step: Extract<Step, { do: "race" }>) {
  const { environment, tag } = step;
  const image = "tag" in step.image ? step.image.tag : digestNumber(step.image.digest);
  const pushed = digestNumber(step.digest);
  const ifMatch = model.revisions.get(environment) ?? 0;
  if (model.digestOf(image) === undefined) return;
  const [pinned] = await Promise.all([
    hello.service().pin(environment, { image }, { ...caller, ifMatch }),
    hello.push(step.digest, tag),
  ]);
  if (!pinned.ok) {
    model.push(pushed, tag);
    expect(pinned.error).toMatchObject({
      code: "revision_conflict",
      details: { revision: ifMatch + 1 },
    });
    expect(model.revisions.get(environment)).toBe(ifMatch + 1);
    return;
  }
  expect(pinned.value.revision).toBe(ifMatch + 1);
  // The pin came first, or the push did not move this environment: what the pin resolved to says which.
  const isFirst = pinned.value.digest === model.digestOf(image);
  if (isFirst) model.pin(environment, image);
  model.push(pushed, tag);
  if (!isFirst) model.pin(environment, image);
}

async function report(hello: Hello, model: Model, step: Extract<Step, { do: "report" }>) {
  const backend = model.backends[step.backend % Math.max(model.backends.length, 1)];
  if (!backend || backend.state === "ended") return;
  value(await hello.report(backend.id, backend.token, step.status));
  if (step.status === "terminating") backend.state = "ending";
  if (step.status === "terminated") backend.state = "ended";
}

async function terminate(
  cluster: ScriptedCluster,
  { model, commands }: World,
  step: Extract<Step, { do: "terminate" }>,
) {
  const backend = model.backends[step.backend % Math.max(model.backends.length, 1)];
  if (!backend) return;
  const { id, environment, state } = backend;
  const command = commands[step.by].terminate(id, step.hard);
  // An id that has ended is to a token of the service as one that never was.
  const isKnown = state !== "ended" || !environments.some((name) => model.reaches(step.by, name));
  if (isKnown && !model.reaches(step.by, environment)) return refused(cluster, command);
  const result = await command;
  if (state === "ended") expect(result).toMatchObject({ ok: false, error: { code: "backend_not_running" } });
  else {
    value(result);
    backend.state = "ending";
  }
}

/** It ends all that have keys at once, which are two at most. Nobody says of the others that they are idle. */
async function drain(hello: Hello, model: Model, step: Extract<Step, { do: "drain" }>) {
  const backend = model.backends[step.backend % Math.max(model.backends.length, 1)];
  if (!backend) return;
  const { environment } = backend;
  const digest = step.digest === null ? backend.digest : digestNumber(step.digest);
  const result = await hello
    .service()
    .createDrain(drainBody({ environment, digest, rate_per_minute: 600 }), caller);
  if (model.digestOf(model.pins.get(environment) ?? "") === digest) {
    return expect(result).toMatchObject({ ok: false, error: { code: "digest_current" } });
  }
  if (!model.digests.has(digest)) {
    return expect(result).toMatchObject({ ok: false, error: { code: "image_not_found" } });
  }
  const meant = model.backends.filter(
    (each) => each.environment === environment && each.digest === digest && each.state !== "ended",
  );
  const held = meant.filter(({ key, state }) => key === null && state === "live").map(({ id }) => id);
  const begun = value(result);
  expect(begun.total).toBe(meant.length);
  expect(new Set(begun.held_up_by.backends)).toEqual(new Set(held.slice(0, drainHeldUpShown)));
  for (const backend of meant) if (backend.key !== null && backend.state === "live") backend.state = "ending";
  model.drains.push({ id: begun.id, environment, digest, meant, over: null });
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

/** Lists hold what the token reaches, and all of it. */
async function look({ model, commands }: World, { by }: Extract<Step, { do: "look" }>) {
  const backends = await commands[by].backends();
  const listed = await commands[by].environments();
  const reached = environments.filter((environment) => model.reaches(by, environment));
  if (reached.length === 0) {
    for (const answer of [backends, listed]) {
      expect(answer).toMatchObject({ ok: false, error: { code: "forbidden" } });
    }
    return;
  }
  const live = model.backends.filter(
    ({ environment, state }) => state !== "ended" && model.reaches(by, environment),
  );
  expect(new Set(value(backends).backends.map(({ id }) => id))).toEqual(new Set(live.map(({ id }) => id)));
  const pins = value(listed).environments.map(({ name, image, revision }) => [name, image, revision]);
  expect(new Set(pins)).toEqual(
    new Set(reached.map((name) => [name, model.pins.get(name), model.revisions.get(name)])),
  );
}

async function run(cluster: ScriptedCluster, world: World, now: Step): Promise<void> {
  const { hello, model, commands } = world;
  switch (now.do) {
    case "push":
      await hello.push(now.digest, now.tag ?? undefined);
      model.push(digestNumber(now.digest), now.tag);
      return;
    case "push artifact": {
      const body = { digest: digestNumber(now.digest), tag: now.tag, artifact_type: "application/spdx+json" };
      value(await hello.service().recordImage(body, caller));
      model.pushArtifact(body.digest, body.tag);
      return;
    }
    case "race":
      return race(hello, model, now);
    case "pin": {
      const image = "tag" in now.image ? now.image.tag : digestNumber(now.image.digest);
      const command = commands[now.by].pin(now.environment, image);
      if (!model.reaches(now.by, now.environment)) return refused(cluster, command);
      const result = await command;
      const digest = model.digestOf(image);
      if (digest === undefined)
        return expect(result).toMatchObject({ ok: false, error: { code: model.refusalOf(image) } });
      const revision = (model.revisions.get(now.environment) ?? 0) + 1;
      expect(value(result)).toMatchObject({ digest, revision, previous: { revision: revision - 1 } });
      model.pin(now.environment, image);
      return;
    }
    case "connect":
      return connect(cluster, world, now);
    case "connect many":
      return connectMany(cluster, hello, model, now);
    case "report":
      return report(hello, model, now);
    case "terminate":
      return terminate(cluster, world, now);
    case "drain":
      return drain(hello, model, now);
    case "go back": {
      const back = model.drains[now.drain % Math.max(model.drains.length, 1)];
      if (!back) return;
      value(await hello.service().pin(back.environment, { image: back.digest }, caller));
      return model.pin(back.environment, back.digest);
    }
    case "look":
      return look(world, now);
    case "pass time":
      return passTime(cluster, hello, model, now.ms);
    case "kill":
      await cluster.quiet();
      return kill(hello.service());
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
  const pins = value(await hello.service().listEnvironments({ limit: 100 }));
  for (const { name, image, digest, revision } of pins.items) {
    const resolution = value(await hello.service().resolve(name, {}));
    expect([image, "artifact" in resolution]).toEqual([image, model.artifactTags.has(image)]);
    expect([name, image, revision]).toEqual([name, model.pins.get(name), model.revisions.get(name)]);
    expect(digest).toBe(model.digestOf(image) ?? null);
  }
  for (const { info } of live) {
    expect(info.digest).toBe(model.backends.find(({ id }) => id === info.id)?.digest);
  }
  model.settleDrains();
  for (const { id, meant, over, ...named } of model.drains) {
    const ended = over?.ended ?? endedOf({ id, meant, over, ...named });
    const shown = value(await hello.service().getDrain(id));
    expect(shown).toMatchObject({
      state: over?.state ?? "draining",
      total: meant.length,
      ended,
      live: meant.length - ended,
    });
  }
  await checkMemory(hello);
}

/** What the object answers from memory, compared with its table. */
async function checkMemory(hello: Hello): Promise<void> {
  await runInDurableObject(hello.service(), async (service: Service, { storage }) => {
    const rows = storage.sql
      .exec<BackendRow>("SELECT * FROM backends WHERE status != 'terminated' ORDER BY fencing_token DESC")
      .toArray();
    const shown = value(await service.liveBackends()).map(({ info, status }) => [
      info.id,
      info.environment,
      info.key,
      info.digest,
      info.fencingToken,
      status.status,
      status.time,
    ]);
    expect(shown).toEqual(
      rows.map((row) => [
        row.id,
        row.environment,
        row.key,
        row.digest,
        row.fencing_token,
        row.status,
        row.status_at,
      ]),
    );
    for (const { id, environment, key } of rows) {
      if (key !== null)
        expect(value(await service.resolve(environment, { key }))).toMatchObject({ backend_id: id });
    }
    const counts = Map.groupBy(rows, ({ environment }) => environment);
    for (const { name, live_backends } of value(await service.listEnvironments({ limit: 100 })).items) {
      expect([name, live_backends]).toEqual([name, counts.get(name)?.length ?? 0]);
    }
  });
}

test("decides every interleaving of pins, pushes, spawns, reports, ends, drains, losses and kills as the rules say, and for a narrowed token what it reaches and nothing else", {
  timeout: 120_000,
}, async ({ cluster }) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40, size: "max" }), async (steps) => {
      const hello = await setUp();
      for (const name of ["staging", "prod"]) {
        value(await hello.service().createEnvironment({ name, image: "latest" }, caller));
      }
      const model = new Model();
      value(await hello.accountObject.createService({ name: "other" }, caller));
      const world = { hello, model, commands: await commandsOf(hello, model) };
      const firstPush: Step = { do: "push", digest: 1, tag: "latest" };
      for (const now of [firstPush, ...steps]) {
        await run(cluster, world, now);
        await check(hello, model);
      }
      for (const [name, revisions] of model.histories) {
        const kept = value(await hello.service().history(name, { limit: 100 })).items.reverse();
        expect(kept.map(({ kind, digest }) => [kind, digest])).toEqual(revisions);
      }
    }),
    // Not made shorter where it fails: that takes longer than the test may, and nothing would be said.
    { numRuns: 50, endOnFailure: true },
  );
});
