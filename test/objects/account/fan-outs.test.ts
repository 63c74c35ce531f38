import { runInDurableObject } from "cloudflare:test";
import { describe, expect, vi } from "vitest";
import {
  serviceNamesPerCall,
  servicesJudgedAtOnce,
  servicesNotifiedAtOnce,
} from "../../../src/domain/limits.ts";
import { fail, ok } from "../../../src/domain/result.ts";
import { Service } from "../../../src/objects/service/service.ts";
import { passTimeRunning } from "../../support/worker/clock.ts";
import { agentOf, register } from "../support/agent.ts";
import { failureLines } from "../support/failure-lines.ts";
import { test } from "../support/object-test.ts";
import { type Hello, value } from "../support/service.ts";

/** Gives an account so many services more, as its list has them. @returns the names of all */
async function addServices(hello: Hello, count: number): Promise<string[]> {
  return runInDurableObject(hello.accountObject, (_, { storage }) => {
    for (let n = 0; n < count; n++) {
      storage.sql
        .exec(
          "INSERT INTO services (name, code, state, created_at, config_version) VALUES (?, ?, 'live', 0, 10000)",
          `s${String(n).padStart(4, "0")}`,
          `z${String(n).padStart(4, "0")}`,
        )
        .toArray();
    }
    return storage.sql
      .exec<{ name: string }>("SELECT name FROM services")
      .toArray()
      .map(({ name }) => name);
  });
}

/** Counts how often a method is called for each service, and in how many calls at most between two looks. */
function counted() {
  const calls = new Map<string, number>();
  let most = 0;
  let since = 0;
  return {
    calls,
    called(name: string) {
      calls.set(name, (calls.get(name) ?? 0) + 1);
      since += 1;
      most = Math.max(most, since);
    },
    look: () => {
      since = 0;
    },
    most: () => most,
  };
}

describe("what concerns more services than one run takes, or one call lists", () => {
  test("reaches each once where a cluster is lost, in bounded runs, and one that fails holds up none", async ({
    hello,
  }) => {
    const names = await addServices(hello, serviceNamesPerCall + servicesNotifiedAtOnce / 2);
    const agent = agentOf(hello);
    vi.spyOn(Service.prototype, "reconcile").mockImplementation(async () =>
      ok({ terminate: [], unknown: [], unlisted: 0, lacking: [] }),
    );
    value(await agent.beat([]));
    const lines = failureLines();
    const count = counted();
    const failing = names[Math.floor(names.length / 2)];
    vi.spyOn(Service.prototype, "clusterLost").mockImplementation(async function (this: Service) {
      const name = this.ctx.id.name?.split("/").at(-1) ?? "";
      count.called(name);
      return name === failing && (count.calls.get(name) ?? 0) < 3
        ? fail("internal_error", "not now")
        : ok(null);
    });
    await passTimeRunning(agent.stub(), 60_000);
    for (let run = 0; run < 8; run++) {
      count.look();
      await passTimeRunning(agent.stub(), 2_000);
    }
    expect(count.most()).toBeLessThanOrEqual(servicesNotifiedAtOnce);
    expect([...count.calls.keys()].toSorted()).toEqual(names.toSorted());
    expect([...count.calls].filter(([, calls]) => calls > 1)).toEqual([[failing, 3]]);
    expect(lines().length).toBeGreaterThan(0);
    const { items } = value(await hello.accountObject.listEvents({ limit: 9, type: "cluster.lost" }));
    expect(items).toHaveLength(1);
  });

  test("has each compared once where an agent begins, as many at one heartbeat as judge it", async ({
    hello,
  }) => {
    const names = await addServices(hello, 2 * servicesJudgedAtOnce);
    const agent = agentOf(hello);
    const count = counted();
    vi.spyOn(Service.prototype, "reconcile").mockImplementation(async function (this: Service) {
      count.called(this.ctx.id.name?.split("/").at(-1) ?? "");
      return ok({ terminate: [], unknown: [], unlisted: 0, lacking: [] });
    });
    for (let beat = 0; beat < 4; beat++) {
      count.look();
      value(await agent.beat([]));
    }
    expect(count.most()).toBeLessThanOrEqual(servicesJudgedAtOnce);
    expect([...count.calls.keys()].toSorted()).toEqual(names.toSorted());
    expect([...count.calls.values()].every((calls) => calls === 1)).toBe(true);
  });

  test("gives each the new configuration, and one that fails holds up none", async ({ hello }) => {
    const names = await addServices(hello, 3 * servicesNotifiedAtOnce);
    await runInDurableObject(hello.accountObject, (_, { storage }) => {
      storage.sql.exec("UPDATE services SET config_version = 0").toArray();
    });
    failureLines();
    const count = counted();
    const failing = names[1];
    vi.spyOn(Service.prototype, "applyAccountConfig").mockImplementation(async function (this: Service) {
      const name = this.ctx.id.name?.split("/").at(-1) ?? "";
      count.called(name);
      if (name === failing && (count.calls.get(name) ?? 0) < 2) throw new Error("not now");
      return ok(null);
    });
    value(await register(hello, "second"));
    for (let run = 0; run < 6; run++) await passTimeRunning(hello.accountObject, 2_000);
    expect([...count.calls.keys()].toSorted()).toEqual(names.toSorted());
    expect([...count.calls].filter(([, calls]) => calls > 1)).toEqual([[failing, 2]]);
  });
});
