import { listDurableObjectIds } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, vi } from "vitest";
import { endedBackendsKeptMs } from "../../../src/domain/limits.ts";
import { frozenAt, passTime } from "../../support/worker/clock.ts";
import { startBackend, statuses } from "../support/backend.ts";
import { test } from "../support/object-test.ts";
import { caller, code, value } from "../support/service.ts";

describe("backends that have ended", () => {
  test("are readable for 30 days and then forgotten", async ({ backend }) => {
    value(await backend.report({ status: "terminated" }));
    expect(await passTime(backend.shard(), endedBackendsKeptMs - 1_000)).toBe(true);
    expect(statuses((await backend.describe()).history)).toEqual(["scheduled", "terminated"]);
    expect(await passTime(backend.shard(), 1_000)).toBe(true);
    expect(code(await backend.shard().describe(backend.hello.account, "hello", backend.backendId))).toBe(
      "backend_not_found",
    );
  });

  test("do not take those with them that ended later or still live", async ({ backend }) => {
    const { hello } = backend;
    let later = await startBackend(hello);
    while (later.backendId.charAt(5) !== backend.backendId.charAt(5)) later = await startBackend(hello);
    value(await backend.report({ status: "terminated" }));
    vi.setSystemTime(frozenAt + endedBackendsKeptMs / 2);
    value(await later.report({ status: "terminated" }));
    await passTime(backend.shard(), endedBackendsKeptMs / 2 + 2_000);
    expect(code(await backend.shard().describe(hello.account, "hello", backend.backendId))).toBe(
      "backend_not_found",
    );
    expect(statuses((await later.describe()).history)).toEqual(["scheduled", "terminated"]);
  });

  test("are listed across all shards page by page, newest first, and live ones are not", async ({
    backend,
  }) => {
    const { hello } = backend;
    const all = [backend.backendId];
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

  test("are listed in full to a token of one environment, however many there are of others", async ({
    backend,
  }) => {
    const { hello } = backend;
    value(await backend.report({ status: "terminated" }));
    const body = { name: "staging", image: "latest" };
    value(await hello.service().createEnvironment(body, caller));
    // More than a page of others, and newer, in the same shard as the first.
    for (let others = 0; others < 2; ) {
      const { backendId } = value(await hello.connect({ environment: "staging" }));
      const live = value(await hello.service().liveBackends());
      const token = live.find(({ info }) => info.id === backendId)?.info.fencingToken ?? 0;
      value(await hello.report(backendId, token, "terminated"));
      if (backendId.charAt(5) === backend.backendId.charAt(5)) others += 1;
    }
    const query = { limit: 1, status: "terminated" } as const;
    const { items } = value(await hello.service().listBackends(query, ["default"]));
    expect(items.map(({ id }) => id)).toEqual([backend.backendId]);
  });

  test("are found by their key and environment", async ({ backend }) => {
    const { hello } = backend;
    const keyed = await startBackend(hello, "doc");
    value(await keyed.report({ status: "terminated" }));
    value(await backend.report({ status: "terminated" }));
    const query = { limit: 50, status: "terminated" } as const;
    const found = async (filter: object) =>
      value(await hello.service().listBackends({ ...query, ...filter })).items.map(({ id }) => id);
    expect(await found({ key: "doc" })).toEqual([keyed.backendId]);
    expect(await found({ environment: "default" })).toEqual([keyed.backendId, backend.backendId]);
    expect(await found({ environment: "prod" })).toEqual([]);
  });
});
