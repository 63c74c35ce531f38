import { describe, expect } from "vitest";
import { liveBackendsPerCall } from "../../../src/domain/limits.ts";
import type { BackendWithStatus } from "../../../src/objects/contract.ts";
import { passTimeRunning } from "../../support/worker/clock.ts";
import { agentOf, notEnded, register } from "../support/agent.ts";
import { startBackend } from "../support/backend.ts";
import { metered } from "../support/cost.ts";
import { addBackends, addDeliveries } from "../support/many-backends.ts";
import { test } from "../support/object-test.ts";
import { caller, type Hello, setUpPinned, value } from "../support/service.ts";

const many = 2 * liveBackendsPerCall + 200;
/** Far more than any of what is done here needs, and far less than the live backends are. */
const fewRows = 200;

/** All live backends, page by page as the edge reads them. */
async function pages(hello: Hello): Promise<BackendWithStatus[][]> {
  const read: BackendWithStatus[][] = [];
  for (let before: number | undefined; ; before = read.at(-1)?.at(-1)?.info.fencingToken) {
    read.push(value(await hello.service().liveBackends(before)));
    if ((read.at(-1)?.length ?? 0) < liveBackendsPerCall) return read;
  }
}

describe("a service with many live backends", () => {
  test("gives them a bounded number at a time, the newest first, each once", async ({ pinned: hello }) => {
    await addBackends(hello, many);
    const read = await pages(hello);
    expect(read.map(({ length }) => length)).toEqual([liveBackendsPerCall, liveBackendsPerCall, 200]);
    expect(read.flat().map(({ info }) => info.id)).toEqual((await notEnded(hello)).reverse());
  });

  test("leaves out those that no agent has listed, however many these are", async ({ pinned: hello }) => {
    await addBackends(hello, many);
    value(await register(hello, "second"));
    const elsewhere = value(await hello.connect({ spawn: { cluster: "second" } }));
    const agent = agentOf(hello);
    value(await agent.beat([]));
    await passTimeRunning(agent.stub(), 46_000);
    expect((await pages(hello)).flat().map(({ info }) => info.id)).toEqual([elsewhere.backendId]);
    const listed = value(await hello.service().listBackends({ limit: 50 }));
    expect(listed.items.map(({ id }) => id)).toEqual([elsewhere.backendId]);
  });

  test("filters a list of them before it cuts its pages", async ({ pinned: hello }) => {
    const first = await startBackend(hello, "first");
    await addBackends(hello, many);
    const page = value(await hello.service().listBackends({ limit: 1, key: "first" }));
    expect(page).toMatchObject({ items: [{ id: first.backendId }], next: null });
  });
});

/** What the object is to do. */
const pieces: Record<string, { begin(hello: Hello, id: string): Promise<unknown> }> = {
  "a connect": { begin: (hello) => hello.connect() },
  "a termination": { begin: (hello, id) => hello.service().terminate(id, true, caller) },
  "an alarm": { begin: async () => {} },
  "a report": { begin: (hello, id) => hello.report(id, 1, "terminating") },
  "a push": { begin: (hello) => hello.push(2, "latest") },
  "a heartbeat": {
    begin: async (hello, id) => agentOf(hello).beat([{ id, status: "ready", fencing_token: 1 }]),
  },
  "a description": { begin: (hello) => hello.service().describe() },
  "an overview": { begin: (hello) => hello.service().overview() },
  "a list of environments": { begin: (hello) => hello.service().listEnvironments({ limit: 50 }) },
  "a page of live backends": { begin: (hello) => hello.service().listBackends({ limit: 20 }) },
  "a look at an image": {
    begin: async (hello) => {
      const [image] = value(await hello.service().listImages({ limit: 1 }, caller)).items;
      return hello.service().getImage(image?.digest ?? "", caller);
    },
  },
  "a dry termination of all": {
    begin: (hello) => hello.service().terminateAll({ hard: false, before: Date.now(), dryRun: true }, caller),
  },
};

/** What there can be many of. */
const abundances: Record<string, (hello: Hello) => Promise<void>> = {
  "live backends": (hello) => addBackends(hello, many),
  deliveries: (hello) => addDeliveries(hello, many, Date.now() + 3_600_000),
};

const cases = Object.entries(abundances).flatMap(([what, add]) =>
  Object.entries(pieces).map(([piece, { begin }]) => ({ what, add, piece, begin })),
);

describe("of what an object keeps", () => {
  test.for(cases)(
    "$piece reads no more rows than it needs, with many $what",
    async ({ add, begin }, { cluster }) => {
      const hello = await setUpPinned();
      const { backendId, report } = await startBackend(hello);
      value(await report({ status: "ready" }));
      await add(hello);
      // The first look of an object that has awoken reads all of them once.
      value(await hello.service().describe());
      const meter = await metered(hello.service());
      await meter.letPass(299_000, () => cluster.quiet());
      meter.reset();
      await begin(hello, backendId);
      await meter.letPass(25_000, () => cluster.quiet());
      expect(meter.cost.read).toBeLessThan(fewRows);
    },
  );
});
