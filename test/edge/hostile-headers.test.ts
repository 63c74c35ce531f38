import { describe, expect } from "vitest";
import { mountedPaths } from "../../src/edge/api/route.ts";
import { routes } from "../../src/edge/api/routes.ts";
import { pages } from "../../src/edge/pages/pages.ts";
import { endpoints } from "../../src/edge/registry/endpoints.ts";
import { type ApiRequest, createAccount, createCluster, send } from "../support/worker/api.ts";
import { loggedIn, pageClient } from "../support/worker/page-client.ts";
import { digestOf, pinnedService } from "../support/worker/pinned-service.ts";
import { basic } from "../support/worker/registry.ts";
import { clusterTest as test } from "../support/worker/worker-test.ts";

/*
 * What a request says in its path, its query or its headers gets into no header of the answer before it was checked: a
 * header has its own grammar, and a text that does not fit it is an injection, or an exception and a 500.
 */

/** Is in every hostile value, and in no header that is ours. */
const marker = "zzhostilezz";

/** Each as it stands in a URL. */
const hostile = [
  `%22,realm=%22https:%2f%2f${marker}.test%2f%22,x=%22`,
  `${marker}%00`,
  `${marker}%0d%0aset-cookie:%20a=b`,
  `${marker}%0a`,
  `${marker}%E2%80%A8%C3%A9%F0%9F%98%80`,
  `${marker}%ff`,
  `%5C${marker}%5C%22`,
  `%3C${marker}%3E;%20rel=%22next%22`,
  `..%2f..%2f${marker}`,
  `%2f%2f${marker}.test`,
  `${marker.toUpperCase()}`,
  `${marker}`.repeat(300),
];

/** What a good request has in the place of each parameter. */
let good: Record<string, string>;
let admin: string;

test.beforeAll(async ({ cluster: _ }) => {
  const account = await createAccount("acme");
  admin = account.admin;
  await createCluster(account);
  const service = await pinnedService(account);
  good = {
    account: "acme",
    service: "hello",
    environment: "prod",
    cluster: "main",
    digest: digestOf.v1,
    id: (await service.connect()).backend_id,
    name: "acme/hello",
    reference: "v1",
  };
});

/** Every path in which one parameter is hostile, and the others good. */
function spoiled(pattern: string): string[] {
  const params = [...pattern.matchAll(/:(\w+)/g)].map(([, name = ""]) => name);
  return params.flatMap((bad) =>
    hostile.map((value) =>
      pattern.replaceAll(/:(\w+)/g, (_, name: string) => (name === bad ? value : (good[name] ?? "unknown"))),
    ),
  );
}

/** The way back after a login: an address of this site as the value of a query, in which nothing stands as it came. */
const wayToLogin = /^\/login\?next=%2F[\w%.*+-]*$/;

/** Whether a header has hostile text in it, as it is or encoded. */
function isHostile([name, value]: [string, string]): boolean {
  return value.toLowerCase().includes(marker) && !(name === "location" && wayToLogin.test(value));
}

/** What is wrong with an answer. 501 is what a deployment without a place for images answers. */
async function wrongWith(what: string, response: Response): Promise<string[]> {
  await response.body?.cancel();
  const headers = [...response.headers].filter(isHostile).map((header) => `${what} → ${header.join(": ")}`);
  const isServerError = response.status >= 500 && response.status !== 501;
  return isServerError ? [`${what} → ${response.status}`, ...headers] : headers;
}

async function allWrong(requests: [what: string, send: () => Promise<Response>][]): Promise<string[]> {
  const wrong: string[] = [];
  for (const [what, request] of requests) wrong.push(...(await wrongWith(what, await request())));
  return wrong;
}

describe("no hostile text of a path is in a header of the answer, nor makes it a server error", () => {
  test.each(routes.flatMap((route) => mountedPaths(route).map((path) => ({ method: route.method, path }))))(
    "$method $path",
    async ({ method, path }) => {
      const json = method === "GET" ? {} : { json: {} };
      const requests = spoiled(path).flatMap((hostilePath) =>
        [{}, { token: admin }].map((who): [string, () => Promise<Response>] => [
          hostilePath,
          () => send(hostilePath, { method, ...who, ...json }),
        ]),
      );
      expect(await allWrong(requests)).toEqual([]);
    },
  );

  const operations = endpoints.flatMap(({ path, methods }) =>
    Object.keys(methods).map((method) => ({ method, path })),
  );

  test.each(operations)("$method $path", async ({ method, path }) => {
    const given = [
      {},
      { headers: { authorization: basic("acme", admin) } },
      { headers: { authorization: "Bearer x" } },
    ];
    const requests = spoiled(path).flatMap((hostilePath) =>
      given.map((who): [string, () => Promise<Response>] => [
        hostilePath,
        () => send(hostilePath, { method, ...who }),
      ]),
    );
    expect(await allWrong(requests)).toEqual([]);
  });

  test.each([
    "/v2/:name",
    "/v2/:name/",
    "/v2/:name/nothing",
    "/:name",
    "/login/:link",
    "/assets/:version/:name",
  ])("%s", async (path) => {
    const requests = spoiled(path).flatMap((hostilePath) =>
      ["GET", "POST", "PUT"].map((method): [string, () => Promise<Response>] => [
        hostilePath,
        () => send(hostilePath, { method }),
      ]),
    );
    expect(await allWrong(requests)).toEqual([]);
  });

  test.each(pages.map(({ path }) => path))("the page %s", async (path) => {
    const requests = spoiled(path).flatMap((hostilePath) =>
      [loggedIn(admin), pageClient()].map((visitor): [string, () => Promise<Response>] => [
        hostilePath,
        () => visitor.send(hostilePath),
      ]),
    );
    expect(await allWrong(requests)).toEqual([]);
  });
});

describe("no hostile text of a query or a header", () => {
  const read = { authorization: () => basic("acme", admin) };

  test.each([
    "/v2/token?service=:x&scope=repository:acme/hello:pull",
    "/v2/token?scope=:x",
    "/v2/acme/hello/tags/list?n=1&last=:x",
    "/v2/acme/hello/tags/list?n=:x",
    `/v2/acme/hello/referrers/${digestOf.v1}?artifactType=:x`,
    `/v2/acme/hello/referrers/${digestOf.v1}?last=:x`,
    "/v3/accounts/acme/events?type=:x",
    "/v3/accounts/acme/services?cursor=:x",
    "/v3/accounts/acme/services/hello/environments/prod/resolve?tag=:x",
  ])("%s", async (path) => {
    const headers = () => ({
      authorization: path.startsWith("/v3") ? `Bearer ${admin}` : read.authorization(),
    });
    const requests = spoiled(path).map((hostilePath): [string, () => Promise<Response>] => [
      hostilePath,
      () => send(hostilePath, { headers: headers() }),
    ]);
    expect(await allWrong(requests)).toEqual([]);
  });

  test.each([
    "POST /v2/acme/hello/blobs/uploads/?digest-algorithm=:x",
    "POST /v2/acme/hello/blobs/uploads/?digest=:x",
    "POST /v2/acme/hello/blobs/uploads/?mount=:x&from=acme/hello",
    `POST /v2/acme/hello/blobs/uploads/?mount=${digestOf.v1}&from=:x`,
    `PUT /v2/acme/hello/manifests/${digestOf.v1}?tag=:x`,
    "PUT /v2/acme/hello/blobs/uploads/unknown?digest=:x",
    "PATCH /v2/acme/hello/blobs/uploads/unknown?digest-algorithm=:x",
    "GET /login?next=:x",
    "POST /login?next=:x",
    "GET /settings?next=:x",
  ])("%s", async (line) => {
    const [method = "", path = ""] = line.split(" ");
    const requests = spoiled(path).map((hostilePath): [string, () => Promise<Response>] => [
      hostilePath,
      () => send(hostilePath, { method, headers: { authorization: read.authorization() } }),
    ]);
    expect(await allWrong(requests)).toEqual([]);
  });

  test.each([
    "content-type",
    "content-range",
    "range",
    "last-event-id",
    "if-match",
    "idempotency-key",
    "accept",
    "cookie",
    "user-agent",
    "x-request-id",
    "origin",
    "authorization",
  ])("in the request's header %s", async (name) => {
    const values = [
      `"${marker}",realm="x"`,

      `Bearer ${marker}`,
      `slipway_session=${marker}; slipway_notice=${marker}`,
    ];
    const targets: ApiRequest[] = [{}, { method: "POST", body: "{}" }, { method: "PUT", body: "{}" }];
    const paths = [
      "/v2/acme/hello/manifests/v1",
      "/v2/acme/hello/blobs/uploads/x",
      "/v3/accounts/acme/events",
      "/v2/service/acme/hello/connect",
      "/login",
      "/",
    ];
    const requests = paths.flatMap((path) =>
      targets.flatMap((target) =>
        values.map((value): [string, () => Promise<Response>] => [
          `${path} ${name}: ${value}`,
          () => send(path, { ...target, headers: { authorization: basic("acme", admin), [name]: value } }),
        ]),
      ),
    );
    expect(await allWrong(requests)).toEqual([]);
  });
});
