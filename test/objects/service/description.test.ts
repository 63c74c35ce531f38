import { runInDurableObject } from "cloudflare:test";
import { describe, expect, vi } from "vitest";
import { environmentNamesListed } from "../../../src/domain/limits.ts";
import { evict } from "../../support/worker/clock.ts";
import { test } from "../support/object-test.ts";
import { caller, code, type Hello, value } from "../support/service.ts";

const described = async (hello: Hello) => value(await hello.service().describe());

/** Creates an environment that can be spawned into. */
async function createEnvironment(hello: Hello, name: string): Promise<void> {
  const body = { name, image: "latest", cluster: "main" };
  value(await hello.service().createEnvironment(body, caller));
}

/** The last spawn of a service is that of one of its environments, as each of them says it. */
async function expectLastSpawn(hello: Hello): Promise<number | null> {
  const { lastSpawnedAt, environments } = await described(hello);
  const times = environments.map(({ last_spawned_at: at }) => Date.parse(at ?? "1970-01-01"));
  expect(lastSpawnedAt ?? 0).toBe(Math.max(...times));
  return lastSpawnedAt;
}

describe("the description of a service", () => {
  test("names the first of its environments, and counts all", async ({ pinned: hello }) => {
    const count = environmentNamesListed + 50;
    await runInDurableObject(hello.service(), (_, { storage }) => {
      storage.sql
        .exec(
          `WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
           INSERT INTO environments (seq, name, settings, image, revision, created_at)
           SELECT i, 'e' || i, settings, image, 1, created_at FROM n, environments WHERE seq = 1`,
          count,
        )
        .toArray();
    });
    await evict(hello.service());
    const { environmentNames, environmentsTotal, environments } = await described(hello);
    expect(environmentNames).toEqual(environments.slice(0, environmentNamesListed).map(({ name }) => name));
    expect(environmentNames).toHaveLength(environmentNamesListed);
    expect([environmentsTotal, environments.length]).toEqual([count, count]);
    const narrowed = value(await hello.service().describe(["e120", "e3"], 1));
    expect(narrowed).toMatchObject({ environmentNames: ["e3", "e120"], environmentsTotal: 2 });
    expect(narrowed.environments.map(({ name }) => name)).toEqual(["e3"]);
  });

  test("has the last spawn of any environment, whatever has changed since", async ({ pinned: hello }) => {
    for (const name of ["a", "b"]) await createEnvironment(hello, name);
    expect(await expectLastSpawn(hello)).toBeNull();
    for (const environment of ["a", "default", "b"]) {
      vi.advanceTimersByTime(1_000);
      value(await hello.connect({ environment }));
      expect(await expectLastSpawn(hello)).toBe(Date.now());
    }
    const beforeLast = Date.now() - 1_000;
    for (const { info } of value(await hello.service().liveBackends())) {
      if (info.environment === "b") value(await hello.report(info.id, info.fencingToken, "terminated"));
    }
    value(await hello.service().deleteEnvironment("b", caller));
    expect(await expectLastSpawn(hello)).toBe(beforeLast);
  });

  test("has each environment as it is now, and counts what lives", async ({ pinned: hello }) => {
    await createEnvironment(hello, "a");
    const first = await described(hello);
    value(await hello.connect({ environment: "a" }));
    value(await hello.service().pin("default", { image: "latest" }, caller));
    const second = await described(hello);
    expect([first.liveBackends, second.liveBackends]).toEqual([0, 1]);
    for (const environment of second.environments) {
      expect(value(await hello.service().getEnvironment(environment.name))).toMatchObject(environment);
    }
  });
});

test("whether a service exists is answered without a description of it", async ({ hello }) => {
  expect(value(await hello.service().exists())).toBeNull();
  value(await hello.service().remove());
  expect(code(await hello.service().exists())).toBe("service_not_found");
});
