import { describe, expect, vi } from "vitest";
import type { ScriptedCluster } from "../../support/worker/scripted-cluster.ts";
import { registrationOf } from "../support/agent.ts";
import { startBackend } from "../support/backend.ts";
import { metered } from "../support/cost.ts";
import { test } from "../support/object-test.ts";
import { caller, type Hello, setUpPinned, value } from "../support/service.ts";

/** How one kind of delivery comes about. */
interface Story {
  what: string;
  type: Parameters<ScriptedCluster["of"]>[0];
  prepare?: (hello: Hello) => Promise<string>;
  begin: (hello: Hello, prepared: string) => Promise<unknown>;
  /** Statements, with the rows that each writes for it: what is to be remembered, and no more than that. */
  writes: Record<string, number>;
}

async function running(hello: Hello): Promise<string> {
  const backend = await startBackend(hello);
  value(await backend.report({ status: "ready" }));
  return backend.backendId;
}

const clusterOf = async (hello: Hello) => ({ cluster: "main", registration: await registrationOf(hello) });

const noted = { "INSERT INTO event_outbox": 1, "DELETE FROM event_outbox": 1 };
const delivered = { "INSERT INTO deliveries": 1, "DELETE FROM deliveries": 1 };

const stories: Story[] = [
  {
    what: "a spawn",
    type: "backend.spawn",
    begin: (hello) => hello.connect(),
    writes: {
      "INSERT INTO backends": 1,
      "UPDATE backends SET": 1,
      "UPDATE service SET": 1,
      "UPDATE environments SET": 1,
      "INSERT INTO usage": 1,
    },
  },
  {
    what: "a spawn that is delivered again by hand",
    type: "backend.spawn",
    prepare: running,
    begin: async (hello, id) =>
      value(await hello.service().redeliver({ ...(await clusterOf(hello)), id: `${id}_spawn`, attempts: 1 })),
    writes: {},
  },
  {
    what: "a soft termination",
    type: "backend.terminate",
    prepare: running,
    begin: (hello, id) => hello.service().terminate(id, false, caller),
    writes: { ...noted, ...delivered, "UPDATE backends SET": 1 },
  },
  {
    what: "a hard termination",
    type: "backend.terminate",
    prepare: running,
    begin: (hello, id) => hello.service().terminate(id, true, caller),
    writes: { ...noted, ...delivered, "UPDATE backends SET": 3 },
  },
  {
    what: "an announced pin",
    type: "image.pinned",
    begin: (hello) => hello.push(2, "latest"),
    // Of a new image the rows are written, taken back, and written again once the account has granted it.
    writes: {
      // Up to which move all are announced.
      "UPDATE service SET": 1,
      "INSERT INTO event_outbox": 2 * 2,
      "DELETE FROM event_outbox": 2,
      // With what it protects and the index of that, and the index of tags by digest.
      "INSERT INTO revisions": 2 * 3,
      "UPDATE environments SET": 2,
      "INSERT INTO images": 2 * 3,
      "INSERT INTO pushes": 2,
      "INSERT INTO tags": 2 * 2,
      "UPDATE holdings SET": 1,
    },
  },
];

/** A service that has come to rest, and in which a story can begin. */
async function atRest(cluster: ScriptedCluster, story: Story) {
  const hello = await setUpPinned();
  const prepared = (await story.prepare?.(hello)) ?? "";
  const meter = await metered(hello.service());
  await meter.letPass(299_000, () => cluster.quiet());
  meter.reset();
  return { hello, meter, begin: () => story.begin(hello, prepared) };
}

const slowMs = 9_500;
const watchedMs = 25_000;

describe.each(stories)("$what", (story) => {
  const rows = (alarms: number) => ({ ...story.writes, setAlarm: alarms });

  test("that is delivered at once has the object wake once, for its log, and writes what it must", async ({
    cluster,
  }) => {
    const { meter, begin } = await atRest(cluster, story);
    await begin();
    await meter.letPass(watchedMs, () => cluster.quiet());
    expect(meter.cost.alarms).toHaveLength(1);
    // The second is for what comes later: a deadline of the backend.
    expect([rows(1), rows(2)]).toContainEqual(meter.cost.rows);
  });

  test(`that takes ${slowMs} ms costs one alarm more`, async ({ cluster }) => {
    const { meter, begin } = await atRest(cluster, story);
    const { promise, resolve } = Promise.withResolvers<void>();
    cluster.always(() => promise.then(() => Response.json({})));
    const before = cluster.of(story.type).length;
    const begun = begin();
    await vi.waitFor(() => expect(cluster.of(story.type).length).toBe(before + 1));
    await meter.letPass(slowMs, async () => {});
    resolve();
    await begun;
    await meter.letPass(watchedMs, () => cluster.quiet());
    expect(meter.cost.alarms.length).toBeLessThanOrEqual(2);
    expect(meter.cost.rows.setAlarm).toBeLessThanOrEqual(3);
    expect({ ...meter.cost.rows, setAlarm: 0 }).toEqual(rows(0));
  });
});
