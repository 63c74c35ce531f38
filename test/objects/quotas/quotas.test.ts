import { abortAllDurableObjects } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect } from "vitest";
import { defaultQuotas } from "../../../src/domain/limits.ts";
import { eachQuota } from "../../../src/domain/quotas.ts";
import { serviceStub } from "../../../src/objects/stubs.ts";
import { test } from "../support/object-test.ts";
import { addings, leave, limit, pushOci, usedBy } from "../support/quotas.ts";
import { caller, code, connectParams, digestNumber, type Hello, value } from "../support/service.ts";

const createService = (hello: Hello, name: string) => hello.accountObject.createService({ name }, caller);

const environments = (hello: Hello, service: string, names: string[]) =>
  names.map((name) =>
    serviceStub(env, hello.account, service).createEnvironment({ name, image: "latest" }, caller),
  );

/** All that an account's owner sees of what is stored. */
async function stored(hello: Hello): Promise<unknown> {
  const account = hello.accountObject;
  const all = { limit: 200 };
  const registryHost = { registryHost: "r" };
  return Promise.all([
    usedBy(hello),
    account.listTokens(all),
    account.listServices(all),
    account.config(),
    account.listEvents(all),
    hello.service().listEnvironments(all),
    hello.service().listImages(all, registryHost),
    hello.service().history("default", all),
    hello.service().recentImages(registryHost),
  ]).then((answers) => JSON.parse(JSON.stringify(answers)));
}

describe.each(addings)("a quota of $quota, of which $how is one more", ({ quota, add, repeat, remove }) => {
  test("allows the last one, and refuses the next, which changes nothing", async ({ pinned }) => {
    await leave(pinned, quota, 1);
    const before = (await usedBy(pinned))[quota];
    expect(await add(pinned, 10)).toBe("ok");
    expect((await usedBy(pinned))[quota]).toBe(before + 1);
    const full = await stored(pinned);
    expect(["quota_exceeded", "DENIED"]).toContain(await add(pinned, 11));
    expect(await stored(pinned)).toEqual(full);
  });

  test("refuses no repetition of what is there", async ({ pinned }) => {
    expect(await add(pinned, 10)).toBe("ok");
    await limit(pinned, quota, 0);
    expect(await repeat(pinned, 10)).toBe("ok");
  });

  test("lets one of two pass that come at once, where there is room for one", async ({ pinned }) => {
    await leave(pinned, quota, 1);
    const answers = await Promise.all([add(pinned, 10), add(pinned, 11)]);
    expect(answers.filter((answer) => answer === "ok")).toHaveLength(1);
    expect((await usedBy(pinned))[quota]).toBe(
      value(await pinned.accountObject.describe()).quotas[quota].limit,
    );
  });

  if (!remove) return;
  test("has room again for what was removed", async ({ pinned }) => {
    await leave(pinned, quota, 1);
    expect(await add(pinned, 10)).toBe("ok");
    await remove(pinned, 10);
    expect(await add(pinned, 11)).toBe("ok");
  });
});

describe("an account's quotas", () => {
  test("are those of its deployment until others are set, and again once they are taken back", async ({
    pinned,
  }) => {
    const limits = async () => {
      const { quotas } = value(await pinned.accountObject.describe());
      return eachQuota((name) => quotas[name].limit);
    };
    expect(await limits()).toEqual(defaultQuotas);
    const set = eachQuota((name) => name.length);
    value(await pinned.accountObject.setQuotas(set));
    expect(await limits()).toEqual(set);
    value(await pinned.accountObject.setQuotas({ tags: null, untagged_bytes: null }));
    const { tags, untagged_bytes } = defaultQuotas;
    expect(await limits()).toEqual({ ...set, tags, untagged_bytes });
  });

  test("count what all services have, and what is deleted with one of them not any more", async ({
    pinned,
  }) => {
    const before = await usedBy(pinned);
    value(await createService(pinned, "second"));
    expect(await pushOci(pinned, 20, ["a", "b"], { service: "second" })).toBe("ok");
    for (const made of await Promise.all(environments(pinned, "second", ["x", "y"]))) {
      value(made);
    }
    const second = serviceStub(env, pinned.account, "second");
    for (const note of ["one", "two"]) value(await second.pin("default", { image: "a", note }, caller));
    expect(await usedBy(pinned)).toEqual({
      ...before,
      services: before.services + 1,
      environments: before.environments + 3,
      images: before.images + 1,
      tags: before.tags + 2,
      pin_notes: before.pin_notes + 2,
    });
    value(await pinned.accountObject.deleteService("second", caller));
    expect(await usedBy(pinned)).toEqual(before);
  });

  test("are one for all services: where there is room for one, one of two services gets it", async ({
    pinned,
  }) => {
    value(await createService(pinned, "second"));
    await leave(pinned, "environments", 1);
    const answers = await Promise.all([
      ...environments(pinned, "hello", ["x", "y"]),
      ...environments(pinned, "second", ["x", "y"]),
    ]);
    expect(answers.filter((answer) => answer.ok)).toHaveLength(1);
    const refused = answers.flatMap((answer) => (answer.ok ? [] : [answer.error]));
    for (const error of refused) {
      expect(error.code).toBe("quota_exceeded");
      expect(error.message).toBe("the account's quota `environments` does not allow 1 more: 3 of 3 are used");
    }
  });

  test("below what is used end nothing, and refuse neither a spawn nor a pin", async ({ pinned }) => {
    const before = await usedBy(pinned);
    value(await pinned.accountObject.setQuotas(eachQuota(() => 0)));
    expect(await usedBy(pinned)).toEqual(before);
    value(await pinned.service().connectBackend(connectParams({ key: "doc" }), caller));
    value(await pinned.service().pin("default", { image: "latest" }, caller));
    value(await pinned.service().recordImage({ digest: digestNumber(1), tag: "latest" }, caller));
    const [refused] = await Promise.all(environments(pinned, "hello", ["x"]));
    expect(refused && code(refused)).toBe("quota_exceeded");
  });

  test("are kept when every object dies", async ({ pinned }) => {
    await leave(pinned, "images", 1);
    await abortAllDurableObjects();
    value(await pinned.service().recordImage({ digest: digestNumber(30) }, caller));
    await abortAllDurableObjects();
    expect(code(await pinned.service().recordImage({ digest: digestNumber(31) }, caller))).toBe(
      "quota_exceeded",
    );
  });

  test("leave an event that names them, of no token", async ({ pinned }) => {
    await limit(pinned, "images", 5);
    const { items } = value(
      await pinned.accountObject.listEvents({ limit: 1, type: "account.quotas_changed" }),
    );
    expect(items).toMatchObject([{ type: "account.quotas_changed", actor: null, details: { images: 5 } }]);
  });
});
