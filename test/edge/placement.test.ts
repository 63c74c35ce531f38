import { env, exports } from "cloudflare:workers";
import { describe, expect, onTestFinished, vi } from "vitest";
import { z } from "zod";
import { locationHints, serviceLocations } from "../../src/domain/location.ts";
import { pages } from "../../src/edge/pages/pages.ts";
import { Directory } from "../../src/objects/directory/directory.ts";
import { connectAnswer } from "../../src/protocol/jamsocket/v2.ts";
import * as v3 from "../../src/protocol/v3/services.ts";
import { apiOrigin, call, freshName, refusal, send } from "../support/worker/api.ts";
import { test } from "../support/worker/page-test.ts";
import { promised } from "./support/drive.ts";

/*
 * Cloudflare places an object at the first `get` of it. The namespaces are the platform's: what is recorded here is how
 * each object is gotten, by the Worker and by other objects.
 */

type Placed = { name: string; hint: string | undefined };

/** Records every `get` of a Service or Backends object from now on, in order. */
function watchGets() {
  const gets: Placed[] = [];
  watch(env.SERVICE, gets);
  watch(env.BACKENDS, gets);
  return {
    all: gets,
    /** The hint of the first `get` of an object; fails where there was none. */
    hintOf: (name: string) => {
      const first = gets.find((placed) => placed.name === name);
      if (!first) throw new Error(`${name} was not called`);
      return first.hint;
    },
  };
}

function watch<T extends Rpc.DurableObjectBranded>(
  namespace: DurableObjectNamespace<T>,
  gets: Placed[],
): void {
  const get = namespace.getByName.bind(namespace);
  const spy = vi.spyOn(namespace, "getByName").mockImplementation((name, options) => {
    gets.push({ name, hint: options?.locationHint });
    return get(name, options);
  });
  onTestFinished(() => spy.mockRestore());
}

/** Sends a request that comes from Vienna. */
function sendFromVienna(path: string, token: string, json: object): Promise<Response> {
  return exports.default.fetch(
    new Request(apiOrigin + path, {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify(json),
      cf: { continent: "EU", latitude: "48.20850", longitude: "16.37210" },
    }),
  );
}

const get = <T>(schema: z.ZodType<T>, path: string, token: string) => call(schema, path, { token });

describe("a service's object is placed", () => {
  const v3Path = (account: string) => `/v3/accounts/${account}/services`;
  test.for([
    { by: "v3 with a location", path: v3Path, body: { location: "oc" }, expected: "oc" },
    { by: "v3 with auto", path: v3Path, body: { location: "auto" }, expected: "eeur" },
    { by: "v3", path: v3Path, body: {}, expected: "eeur" },
    { by: "v2", path: (account: string) => `/v2/account/${account}/service`, body: {}, expected: "eeur" },
    { by: "v1", path: (account: string) => `/user/${account}/service`, body: {}, expected: "eeur" },
  ])("at its creation by $by", async ({ path, body, expected }, { account: { name: account, admin } }) => {
    const gets = watchGets();
    const name = freshName("placed");
    const answer = await sendFromVienna(path(account), admin, { name, ...body });
    expect([await answer.text(), answer.ok]).toEqual([expect.anything(), true]);
    expect(gets.hintOf(`${account}/${name}`)).toBe(expected);
    expect(await get(v3.service, `${v3Path(account)}/${name}`, admin)).toMatchObject({ location: expected });
    const { services } = await get(v3.serviceList, `${v3Path(account)}?limit=1`, admin);
    expect(services).toMatchObject([{ name, location: expected }]);
  });

  test("near its first request where nobody says whence that comes", async ({ account, hello }) => {
    const gets = watchGets();
    const name = freshName("placed");
    const answer = { token: account.admin, json: { name } };
    expect(await call(v3.service, v3Path(account.name), answer)).toMatchObject({ location: "auto" });
    expect(gets.hintOf(`${account.name}/${name}`)).toBeUndefined();
    expect(await get(v3.service, hello.api, account.admin)).toMatchObject({ location: "auto" });
  });

  test("by its creation, although somebody names it before that has called it", async ({ account }) => {
    const gets = watchGets();
    const name = freshName("early");
    const path = `${v3Path(account.name)}/${name}`;
    const claim = Directory.prototype.claim;
    const early: number[] = [];
    const spy = vi.spyOn(Directory.prototype, "claim").mockImplementation(async function (
      this: Directory,
      ...params
    ) {
      early.push((await send(path, { token: account.admin })).status);
      return Reflect.apply(claim, this, params);
    });
    onTestFinished(() => spy.mockRestore());
    const json = { name, location: "weur" };
    await call(v3.service, v3Path(account.name), { token: account.admin, json });
    expect(early).toEqual([404]);
    expect(gets.hintOf(`${account.name}/${name}`)).toBe("weur");
  });

  test("where it was before its deletion, and nowhere else", async ({ account }) => {
    const token = account.admin;
    const name = freshName("again");
    const create = (location?: string) => ({
      token,
      json: { name, ...(location === undefined ? {} : { location }) },
    });
    const root = v3Path(account.name);
    await call(v3.service, root, create("weur"));
    expect((await send(`${root}/${name}`, { method: "DELETE", token })).status).toBe(204);
    expect(await refusal(root, create("enam"))).toMatchObject({
      status: 409,
      error: { code: "location_fixed", location: "weur" },
    });
    expect(await call(v3.service, root, create())).toMatchObject({ location: "weur" });
    expect((await send(`${root}/${name}`, { method: "DELETE", token })).status).toBe(204);
    expect(await call(v3.service, root, create("weur"))).toMatchObject({ location: "weur" });
  });

  test("at any hint that the platform's types have", () => {
    const hints: Record<DurableObjectLocationHint, true> = {
      wnam: true,
      enam: true,
      sam: true,
      weur: true,
      eeur: true,
      apac: true,
      "apac-ne": true,
      "apac-se": true,
      oc: true,
      afr: true,
      me: true,
    };
    expect(Object.keys(hints)).toEqual(locationHints);
  });

  test("nowhere that Cloudflare does not know", async ({ account }) => {
    const json = { name: freshName("lost"), location: "mars" };
    const refused = await refusal(v3Path(account.name), { token: account.admin, json });
    expect([refused.status, refused.code]).toEqual([400, "bad_request"]);
    for (const location of serviceLocations) expect(refused.message).toContain(`"${location}"`);
  });
});

describe("a service's pages", () => {
  test("show where it is", async ({ account, admin }) => {
    const name = freshName("shown");
    const json = { name, location: "apac-ne" };
    await call(v3.service, `/v3/accounts/${account.name}/services`, { token: account.admin, json });
    for (const path of ["/", `/service/${account.name}/${name}`]) {
      expect((await admin.visit(path)).html).toContain("location: apac-ne");
    }
  });
});

describe("a shard is placed where its service is, whatever calls it first", () => {
  const digest = `sha256:${"d".repeat(64)}`;

  /** A service in the west of America, and a backend that no shard has learned of. */
  async function startAway({ name: account, admin: token }: { name: string; admin: string }) {
    const name = freshName("away");
    const path = `/v3/accounts/${account}/services`;
    await call(v3.service, path, { token, json: { name, location: "wnam" } });
    await call(z.looseObject({}), `${path}/${name}/images`, { token, json: { digest, tag: "latest" } });
    const connect = `/v2/service/${account}/${name}/default/connect`;
    const gets = watchGets();
    const { backend_id: id } = await call(connectAnswer, connect, { token, json: {} });
    const shards = () => gets.all.filter((placed) => placed.name.startsWith(`${account}/${name}/`));
    expect(shards()).toEqual([]);
    return { id, api: `${path}/${name}`, name, shards };
  }

  /** Of the routes that name a backend: those whose object is the Service's alone. */
  const withoutShard = [
    "GET /v3/accounts/:account/backends/:id",
    "POST /v3/accounts/:account/backends/:id/release",
  ];

  test.for(promised.filter(({ route }) => route.path.includes("/:id")))(
    "$name",
    async ({ name, route, row }, { account, agentToken }) => {
      const { id, shards } = await startAway(account);
      const path = route.path.replace(":account", account.name).replace(":id", id).replace(":token", "x");
      const token = row.who === "agent" ? agentToken : account.admin;
      const json =
        name.endsWith("/status") && row.who === "agent" ? { status: "loading", fencing_token: 1 } : {};
      const body = route.method === "GET" ? {} : { json };
      const answer = await send(path, { method: route.method, token, ...body });
      await answer.body?.cancel();
      if (withoutShard.includes(name)) return expect(shards()).toEqual([]);
      await vi.waitFor(() => expect(shards()).not.toEqual([]));
      expect(new Set(shards().map(({ hint }) => hint))).toEqual(new Set(["wnam"]));
    },
  );

  test.for(pages.filter(({ path }) => path.includes("/:id")))(
    "the page $path",
    async ({ path }, { account, admin }) => {
      const { id, shards } = await startAway(account);
      await admin.visit(path.replace(":id", id));
      expect(new Set(shards().map(({ hint }) => hint))).toEqual(new Set(["wnam"]));
    },
  );

  test("a list of ended backends, which calls all", async ({ account }) => {
    const { api, shards } = await startAway(account);
    await call(z.looseObject({}), `${api}/backends?status=terminated`, { token: account.admin });
    expect(shards().map(({ hint }) => hint)).toEqual(Array.from({ length: 32 }, () => "wnam"));
  });

  test("the Service object's own step", async ({ account }) => {
    const { api, shards } = await startAway(account);
    const json = { hard: true };
    await call(z.looseObject({}), `${api}/terminations`, { token: account.admin, json });
    await vi.waitFor(() => expect(shards()).not.toEqual([]));
    expect(new Set(shards().map(({ hint }) => hint))).toEqual(new Set(["wnam"]));
  });

  test("an id of the service that never was", async ({ account }) => {
    const { id, shards } = await startAway(account);
    const unknown = `${id.slice(0, 5)}zzzzzzzz`;
    expect((await send(`/backend/${unknown}/status`)).status).toBe(404);
    expect(shards().map(({ hint }) => hint)).toEqual(["wnam"]);
  });
});
