import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { backendAnswer, connectAnswer, runningBackendsAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { backendList } from "../../../src/protocol/v3/backends.ts";
import { observedCluster } from "../../../src/protocol/v3/clusters.ts";
import { environment } from "../../../src/protocol/v3/services.ts";
import { call, untilStatus } from "../../support/api.ts";
import { startTwoClusters, type TwoClusters } from "../../support/clusters/two-clusters.ts";
import { makeFolder } from "../../support/folder.ts";
import { type Jamsocket, jamsocketOf } from "../../support/jamsocket.ts";
import { type Life, watchLife } from "../../support/life.ts";
import { runningOf } from "../../support/process.ts";

/*
 * A partition with the production timeouts: for 70 s nothing passes between Slipway and the agent of cluster `near`,
 * while clients reach both. It runs once, before the tests; each of them asserts one observation.
 */
const partitionMs = 70_000;
const leaseMs = 45_000;
const lostAfterMs = 60_000;
const glanceEveryMs = 250;
const connectPath = "/v2/service/acme/hello/prod/connect";

interface Backend extends Life {
  id: string;
}

/** What a client of Slipway receives at one time of the partition. */
interface Glance {
  requestedAt: number;
  /** The key's holder by the answer; null where the request was refused. */
  holder: string | null;
  refusal: number | null;
  /** Of the first answer that names another holder: whether the process of the old one was still there. */
  oldRan: boolean | null;
  listed: string[];
  health: string;
  lastHeartbeatAt: string | undefined;
}

const stack = new AsyncDisposableStack();
let system: TwoClusters;
let jamsocket: Jamsocket;
/** Two that run in `near` when it is cut off. */
let keyed: Backend;
let unkeyed: Backend;
/** Spawned into `near` while it is cut off, with a key of its own. */
let lateId: string;
/** The backends in `far` that took the keys over. */
let successors: { ofKeyed: Backend; ofLate: Backend };
const glances: Glance[] = [];
/** In milliseconds since the epoch; the first two of the last heartbeat that was answered. */
const times = { sentAt: 0, receivedAt: 0, cutAt: 0, movedAt: 0, healedAt: 0 };
let lists: { before: string; silent: string };
let unkeyedRan: number[];
let histories: Record<"lost" | "healed", Awaited<ReturnType<typeof historiesOfGivenUp>>>;

function connect(json: object, apiUrl = system.api.api_url) {
  return call({ ...system.api, api_url: apiUrl }, connectAnswer, connectPath, { json });
}

/** Connects, and watches the backend from when it is ready. @param apiUrl how Slipway is reached */
async function connectToLife(json: object, apiUrl?: string): Promise<Backend> {
  const { backend_id: id, status_url, url } = await connect(json, apiUrl);
  await untilStatus(status_url, "ready");
  return Object.assign(stack.use(await watchLife(url)), { id });
}

const observeNear = () => call(system.api, observedCluster, "/v3/accounts/acme/clusters/near");
const describeBackend = (id: string) => call(system.api, backendAnswer, `/v2/backend/${id}`);

async function listBackends(): Promise<string[]> {
  const { running_backends } = await call(system.api, runningBackendsAnswer, "/v2/account/acme/backends");
  return running_backends.map(({ id }) => id);
}

async function listOfCli(): Promise<string> {
  const { exitCode, output } = await jamsocket("backend", "list");
  expect(exitCode, output).toBe(0);
  return output;
}

/** Resolves when the next heartbeat of `near` is answered and nothing else is in flight. */
async function untilHeard(): Promise<void> {
  const since = Date.now();
  const { passed } = system.links.toSlipway;
  await vi.waitFor(
    async () => {
      const { last_heartbeat_at = "" } = await observeNear();
      times.receivedAt = Date.parse(last_heartbeat_at);
      times.sentAt = passed.toServerAt;
      expect(times.receivedAt).toBeGreaterThan(since);
      expect(times.receivedAt).toBeGreaterThanOrEqual(times.sentAt);
      expect(passed.toClientAt).toBeGreaterThanOrEqual(times.receivedAt);
    },
    { timeout: 20_000 },
  );
  // Another answer of Slipway's: by then the whole of the heartbeat's has passed.
  await observeNear();
}

async function askForKey(): Promise<Pick<Glance, "holder" | "refusal" | "oldRan">> {
  const response = await fetch(system.api.api_url + connectPath, {
    method: "POST",
    headers: { authorization: `Bearer ${system.api.token}` },
    body: JSON.stringify({ key: "doc-1" }),
  });
  const body: unknown = await response.json();
  if (!response.ok) return { holder: null, refusal: response.status, oldRan: null };
  const { backend_id: holder } = connectAnswer.parse(body);
  const isFirst = holder !== keyed.id && glances.every(({ oldRan }) => oldRan === null);
  return { holder, refusal: null, oldRan: isFirst ? (await runningOf([keyed.pid])).length > 0 : null };
}

async function glance(): Promise<Glance> {
  const requestedAt = Date.now();
  const [answer, listed, near] = await Promise.all([askForKey(), listBackends(), observeNear()]);
  return { requestedAt, ...answer, listed, health: near.health, lastHeartbeatAt: near.last_heartbeat_at };
}

/** Polls until the end of the partition. @returns what the CLI lists while `near` is silent */
async function observePartition(): Promise<string> {
  let listed: ReturnType<typeof listOfCli> | undefined;
  await vi.waitUntil(
    async () => {
      const seen = await glance();
      glances.push(seen);
      if (seen.health === "silent") listed ??= listOfCli();
      return Date.now() - times.cutAt >= partitionMs;
    },
    { timeout: 2 * partitionMs, interval: glanceEveryMs },
  );
  return (await listed) ?? "";
}

const givenUp = () => [keyed.id, unkeyed.id, lateId];

async function historiesOfGivenUp() {
  const described = await Promise.all(givenUp().map(describeBackend));
  return described.map(({ statuses }) => statuses);
}

function statusesReported(backendId: string): unknown[] {
  return system.near
    .events()
    .filter(({ event, backend_id }) => event === "report.acknowledged" && backend_id === backendId)
    .flatMap(({ earlier, status }) => [earlier ?? [], status].flat());
}

async function partition(): Promise<void> {
  const { links } = system;
  await untilHeard();
  links.toSlipway.cut();
  links.toAgent.cut();
  times.cutAt = Date.now();
  const path = "/v3/accounts/acme/services/hello/environments/prod";
  await call(system.api, environment, path, { method: "PATCH", json: { cluster: "far" } });
  const late = connect({ key: "doc-late", spawn: { cluster: "near" } });
  lists.silent = await observePartition();
  lateId = (await late).backend_id;
  successors = {
    ofKeyed: await connectToLife({ key: "doc-1" }),
    ofLate: await connectToLife({ key: "doc-late" }),
  };
  times.movedAt = Date.parse((await describeBackend(successors.ofKeyed.id)).created_at);
  unkeyedRan = await runningOf([unkeyed.pid]);
}

async function heal(): Promise<void> {
  const { links, near } = system;
  times.healedAt = Date.now();
  const patience = { timeout: 60_000, interval: glanceEveryMs };
  links.toSlipway.heal();
  await vi.waitFor(
    async () => expect(await near.health()).toMatchObject({ body: { lease: "held" } }),
    patience,
  );
  // With its lease held the agent takes keys again; the spawn that was given up reaches it now.
  links.toAgent.heal();
  await vi.waitFor(() => {
    for (const id of givenUp()) expect(statusesReported(id)).toContain("terminated");
  }, patience);
}

beforeAll(async () => {
  const folder = stack.use(await makeFolder());
  system = stack.use(await startTwoClusters());
  jamsocket = await jamsocketOf(folder.path, system.api.api_url);
  await jamsocket("login", "--token", system.api.token);
  keyed = await connectToLife({ key: "doc-1" }, system.links.toSlipway.url);
  unkeyed = await connectToLife({}, system.links.toSlipway.url);
  lists = { before: await listOfCli(), silent: "" };
  await partition();
  const lost = await historiesOfGivenUp();
  await heal();
  histories = { lost, healed: await historiesOfGivenUp() };
}, 300_000);
afterAll(() => stack.disposeAsync());

test("nothing passes for 70 s, and the cluster is said to be silent and then lost", () => {
  expect(new Set(glances.map(({ lastHeartbeatAt }) => lastHeartbeatAt)).size).toBe(1);
  const healths = glances.map(({ health }) => health);
  expect(healths.filter((health, i) => health !== healths[i - 1])).toEqual(["healthy", "silent", "lost"]);
});

test("the process that holds the key is killed 45 s after its agent sent its last acknowledged heartbeat", () => {
  const heldForMs = (keyed.endedAt ?? Number.POSITIVE_INFINITY) - times.sentAt;
  // The link sees a heartbeat a moment after it was sent.
  expect(heldForMs).toBeGreaterThan(leaseMs - 2_000);
  expect(heldForMs).toBeLessThan(lostAfterMs - 5_000);
});

test("the key moves once, 60 s after the last heartbeat was received, and only after that process is dead", () => {
  expect(times.movedAt - times.receivedAt).toBeGreaterThanOrEqual(lostAfterMs);
  expect(keyed.endedAt ?? Number.POSITIVE_INFINITY).toBeLessThan(times.movedAt);
  expect(glances.flatMap(({ oldRan }) => oldRan ?? [])).toEqual([false]);
  const holders = glances.flatMap(({ holder }) => holder ?? []);
  expect(holders.filter((holder, i) => holder !== holders[i - 1])).toEqual([keyed.id, successors.ofKeyed.id]);
});

test("whoever connects with the key meanwhile receives its old holder, or a refusal that may be retried", () => {
  const refusals = glances.flatMap(({ refusal }) => refusal ?? []);
  expect(refusals.filter((status) => status !== 409 && status !== 503)).toEqual([]);
});

test("the new holder has the greater fencing token", () => {
  expect(successors.ofKeyed.fencingToken).toBeGreaterThan(keyed.fencingToken);
});

test("a backend without a key lives on through the partition, is shown as lost, and ends when it has healed", () => {
  expect(unkeyedRan).toEqual([unkeyed.pid]);
  expect(unkeyed.endedAt).toBeGreaterThan(times.healedAt);
  expect(histories.lost.map((statuses) => statuses.at(-1))).toMatchObject(
    givenUp().map(() => ({ status: "terminated", termination_reason: "lost" })),
  );
});

test("lists show what may be dead for no longer than the lease", () => {
  for (const { id } of [keyed, unkeyed]) {
    const shown = glances.filter(({ listed }) => listed.includes(id));
    expect(shown.length).toBeGreaterThan(0);
    expect(shown.at(-1)?.requestedAt).toBeLessThan(times.receivedAt + leaseMs);
    expect(lists.before).toContain(id);
    expect(lists.silent).not.toContain(id);
  }
});

test("when it has healed, nothing that Slipway gave up runs on", async () => {
  expect(await system.near.children()).toEqual([]);
  expect(await runningOf([keyed.pid, unkeyed.pid])).toEqual([]);
});

test("a spawn that arrives after it was given up is taken once and never started", async () => {
  const events = system.near.events().filter(({ backend_id }) => backend_id === lateId);
  expect(events.filter(({ event }) => event === "backend.spawned")).toHaveLength(1);
  expect(events.map(({ status }) => status)).not.toContain("starting");
  const ended = "/v3/accounts/acme/services/hello/backends?key=doc-late&status=terminated";
  const { backends } = await call(system.api, backendList, ended);
  expect(backends.map(({ id }) => id)).toEqual([lateId]);
  expect(backends[0]?.fencing_token).toBeLessThan(successors.ofLate.fencingToken);
});

test("reports that come late change nothing", async () => {
  expect(statusesReported(keyed.id).slice(-2)).toEqual(["hard-terminating", "terminated"]);
  expect(histories.healed).toEqual(histories.lost);
  expect(await connect({ key: "doc-1" })).toMatchObject({ backend_id: successors.ofKeyed.id });
  expect((await listBackends()).toSorted()).toEqual([successors.ofKeyed.id, successors.ofLate.id].toSorted());
});

test("the cluster takes keys again", async () => {
  await connectToLife({ key: "doc-2", spawn: { cluster: "near" } });
  expect(await observeNear()).toMatchObject({ health: "healthy" });
});
