import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, onTestFinished, vi } from "vitest";
import {
  liveBackendsPerCall,
  runningBackendsListed,
  serviceNamesPerCall,
  servicesListed,
  servicesReadAtOnce,
} from "../../../src/domain/limits.ts";
import { ok } from "../../../src/domain/result.ts";
import { Service } from "../../../src/objects/service/service.ts";
import { accountStub } from "../../../src/objects/stubs.ts";
import { runningBackendsAnswer, servicesAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { call, createAccount } from "../../support/worker/api.ts";
import { clusterTest as test } from "../../support/worker/worker-test.ts";

/** Gives an account so many services, as its list has them. */
async function addServices(account: string, count: number, prefix = "s"): Promise<void> {
  await runInDurableObject(accountStub(env, account), (_, { storage }) => {
    storage.sql
      .exec(
        `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
         INSERT INTO services (name, code, state, created_at, config_version)
         SELECT printf('%s%05d', ?2, i), printf('%s%05d', ?2, i), 'live', 0, 10000 FROM n`,
        count,
        prefix,
      )
      .toArray();
  });
}

/** A service that has so many live backends, a second apart, the newest at `newestAt`. */
function backendsOf(service: string, count: number, newestAt: number) {
  return (before: number) =>
    Array.from({ length: count }, (_, i) => count - i)
      .filter((token) => token < before)
      .slice(0, liveBackendsPerCall)
      .map((token) => ({
        info: {
          id: `${service}-${token}`,
          account: "acme",
          service,
          environment: "default",
          cluster: "main",
          digest: "",
          pin: { image: "latest", revision: 1 },
          key: null,
          fencingToken: token,
          createdAt: newestAt - (count - token) * 1000,
        },
        status: { status: "ready" as const, time: newestAt },
      }));
}

test("the names of services are read page by page, as many as a list without pages has", async () => {
  const account = await createAccount();
  await addServices(account.name, serviceNamesPerCall + 5);
  const { admin: token } = account;
  for (const path of [`/v2/account/${account.name}/services`, `/user/${account.name}/services`]) {
    const { services } = await call(servicesAnswer, path, { token });
    expect(services.length).toBe(serviceNamesPerCall + 5);
    expect(services).toEqual(services.toSorted());
  }
  await addServices(account.name, servicesListed + 5, "t");
  const { services } = await call(servicesAnswer, `/v2/account/${account.name}/services`, { token });
  expect(services.length).toBe(servicesListed);
});

test("the live backends of an account are the newest of all its services, page by page", async () => {
  const account = await createAccount();
  await addServices(account.name, servicesReadAtOnce + 1);
  const now = Date.now();
  const after = `s${String(servicesReadAtOnce + 1).padStart(5, "0")}`;
  const many = runningBackendsListed - 100;
  const services = new Map([
    // All older than what the others have, but for its first ones.
    ["s00001", backendsOf("s00001", many, now - 1000 * 1000)],
    ["s00002", backendsOf("s00002", 300, now)],
    ["s00003", backendsOf("s00003", 3, now - 500 * 1000)],
    // Its first page already is older than what there is by then.
    [after, backendsOf(after, 3 * liveBackendsPerCall, now - 2 * many * 1000)],
  ]);
  const calls = new Map<string, number>();
  const liveBackends = vi.spyOn(Service.prototype, "liveBackends").mockImplementation(async function (
    this: Service,
    before = Number.MAX_SAFE_INTEGER,
  ) {
    const name = this.ctx.id.name?.split("/").at(-1) ?? "";
    calls.set(name, (calls.get(name) ?? 0) + 1);
    return ok(services.get(name)?.(before) ?? []);
  });
  onTestFinished(() => liveBackends.mockRestore());
  const { admin: token } = account;
  for (const path of [`/v2/account/${account.name}/backends`, `/user/${account.name}/backends`]) {
    const { running_backends: running } = await call(runningBackendsAnswer, path, { token });
    const ids = running.map(({ id }) => id);
    expect(ids.length).toBe(runningBackendsListed);
    expect(ids.slice(299, 304)).toEqual(["s00002-1", "s00003-3", "s00003-2", "s00003-1", `s00001-${many}`]);
    expect(new Set(ids).size).toBe(ids.length);
  }
  expect(["s00002", after].map((name) => calls.get(name))).toEqual([2, 2]);
});
