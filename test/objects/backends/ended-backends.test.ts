import { listDurableObjectIds } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { endedBackendsKeptMs } from "../../../src/domain/limits.ts";
import { startScriptedCluster } from "../../support/worker/scripted-cluster.ts";
import { setUpBackend, startBackend, statuses } from "../support/backend.ts";
import { freezeClock, passTime } from "../support/clock.ts";
import { caller, code, value } from "../support/service.ts";

const start = Date.parse("2030-01-01T00:00:00Z");

beforeEach(() => {
  freezeClock(start);
  startScriptedCluster();
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe("backends that have ended", () => {
  test("are readable for 30 days and then forgotten", async () => {
    const backend = await setUpBackend();
    value(await backend.say({ status: "terminated" }));
    expect(await passTime(backend.shard(), endedBackendsKeptMs - 1_000)).toBe(true);
    expect(statuses((await backend.describe()).history)).toEqual(["scheduled", "terminated"]);
    expect(await passTime(backend.shard(), 1_000)).toBe(true);
    expect(code(await backend.shard().describe(backend.account, "hello", backend.backendId))).toBe(
      "backend_not_found",
    );
  });

  test("do not take those with them that ended later or still live", async () => {
    const hello = await setUpBackend();
    let later = await startBackend(hello);
    while (later.backendId.charAt(5) !== hello.backendId.charAt(5)) later = await startBackend(hello);
    value(await hello.say({ status: "terminated" }));
    vi.setSystemTime(start + endedBackendsKeptMs / 2);
    value(await later.say({ status: "terminated" }));
    await passTime(hello.shard(), endedBackendsKeptMs / 2 + 2_000);
    expect(code(await hello.shard().describe(hello.account, "hello", hello.backendId))).toBe(
      "backend_not_found",
    );
    expect(statuses((await later.describe()).history)).toEqual(["scheduled", "terminated"]);
  });

  test("are listed across all shards page by page, newest first, and live ones are not", async () => {
    const hello = await setUpBackend();
    const all = [hello.backendId];
    for (let i = 0; i < 6; i++) all.push((await startBackend(hello)).backendId);
    const live = value(await hello.service().liveBackends());
    const [survivor, ...others] = live;
    for (const { info } of others) value(await hello.report(info.id, info.fencingToken, "terminated"));
    expect((await listDurableObjectIds(env.BACKENDS)).length).toBeGreaterThan(1);

    const listed: string[] = [];
    const pages: number[] = [];
    let cursor: string | undefined;
    do {
      const query = { limit: 4, status: "terminated", ...(cursor === undefined ? {} : { cursor }) } as const;
      const page = value(await hello.service().listBackends(query));
      listed.push(...page.items.map(({ id }) => id));
      pages.push(page.items.length);
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
    expect(pages).toEqual([4, 2]);
    expect(listed).toEqual(all.slice(1).reverse());
    const stillLive = value(await hello.service().listBackends({ limit: 50 })).items;
    expect(stillLive.map(({ id }) => id)).toEqual([survivor?.info.id]);
  });

  test("are listed in full to a token of one environment, however many there are of others", async () => {
    const hello = await setUpBackend();
    value(await hello.say({ status: "terminated" }));
    const body = { name: "staging", image: "latest" };
    value(await hello.service().createEnvironment(body, caller));
    // More than a page of others, and newer, in the same shard as the first.
    for (let others = 0; others < 2; ) {
      const { backendId } = value(await hello.connect({ environment: "staging" }));
      const live = value(await hello.service().liveBackends());
      const token = live.find(({ info }) => info.id === backendId)?.info.fencingToken ?? 0;
      value(await hello.report(backendId, token, "terminated"));
      if (backendId.charAt(5) === hello.backendId.charAt(5)) others += 1;
    }
    const query = { limit: 1, status: "terminated" } as const;
    const { items } = value(await hello.service().listBackends(query, ["default"]));
    expect(items.map(({ id }) => id)).toEqual([hello.backendId]);
  });

  test("are found by their key and environment", async () => {
    const hello = await setUpBackend();
    const keyed = await startBackend(hello, "doc");
    value(await keyed.say({ status: "terminated" }));
    value(await hello.say({ status: "terminated" }));
    const query = { limit: 50, status: "terminated" } as const;
    const found = async (filter: object) =>
      value(await hello.service().listBackends({ ...query, ...filter })).items.map(({ id }) => id);
    expect(await found({ key: "doc" })).toEqual([keyed.backendId]);
    expect(await found({ environment: "default" })).toEqual([keyed.backendId, hello.backendId]);
    expect(await found({ environment: "prod" })).toEqual([]);
  });
});
