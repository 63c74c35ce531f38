import { describe, expect, onTestFinished } from "vitest";
import { z } from "zod";
import {
  choicesOfferedMax,
  environmentsShown,
  listLimitDefault,
  namesInDetailsMax,
  namesInMessageMax,
  namesInRowMax,
  namesShownMax,
  rowsShownMax,
} from "../../../../src/domain/limits.ts";
import { Account } from "../../../../src/objects/account/account.ts";
import { Backends } from "../../../../src/objects/backends/backends.ts";
import { Cluster } from "../../../../src/objects/cluster/cluster.ts";
import { Directory } from "../../../../src/objects/directory/directory.ts";
import { Registry } from "../../../../src/objects/registry/registry.ts";
import { Service } from "../../../../src/objects/service/service.ts";
import { heartbeatAnswer } from "../../../../src/protocol/v3/agent.ts";
import { inTurns } from "../../../support/in-turns.ts";
import { call, createCluster, refusal, type TestAccount } from "../../../support/worker/api.ts";
import { test as pageTest } from "../../../support/worker/page-test.ts";
import { digestOf, type pinnedService } from "../../../support/worker/pinned-service.ts";

/* More of each thing than any page or message may name. Each name begins with what it is of, to be counted. */

/** How many there are of each. */
const made = {
  clu: namesInDetailsMax + 5,
  agt: rowsShownMax + 5,
  tok: listLimitDefault + 5,
  svc: choicesOfferedMax + 5,
  img: listLimitDefault + 5,
  tag: choicesOfferedMax + 5,
  env: choicesOfferedMax + 5,
  key: listLimitDefault + 5,
  rev: 25,
} as const;
type Kind = keyof typeof made;

const digestNumber = (i: number) => `sha256:${(i + 1).toString(16).padStart(64, "0")}`;

const nameOf = (kind: Kind, i: number) => `${kind}-${String(i).padStart(4, "0")}`;

/** How many of each kind a text names. */
function namedIn(text: string): Partial<Record<Kind, number>> {
  const counts = Object.keys(made).map((kind) => [
    kind,
    new Set(text.match(new RegExp(`${kind}-\\d{4}`, "g"))).size,
  ]);
  return Object.fromEntries(counts.filter(([, count]) => count !== 0));
}

/**
 * All tags stand on one image, which all environments run, and all services need one cluster. Clusters and agents come first,
 * for each service that is there follows them.
 */
async function fill(account: TestAccount, newService: (name: string) => ReturnType<typeof pinnedService>) {
  const of = `/v3/accounts/${account.name}`;
  const add = (path: string, json: unknown, method = "POST") =>
    call(z.unknown(), path, { token: account.admin, json, method });
  const { agent_token: agentToken } = await createCluster(account, "manned");
  await inTurns(made.clu, (i) => createCluster(account, nameOf("clu", i)));
  await inTurns(made.agt, (i) =>
    call(heartbeatAnswer, "/v3/agent/heartbeat", {
      token: agentToken,
      json: { cluster: "manned", agent_id: nameOf("agt", i), version: "1", backends: [] },
    }),
  );
  await inTurns(made.tok, (i) => add(`${of}/tokens`, { role: "read", name: nameOf("tok", i) }));
  const crowd = await newService("crowd");
  await inTurns(made.img, (i) => crowd.record(nameOf("img", i), digestNumber(i)));
  await inTurns(made.tag, (i) => crowd.record(nameOf("tag", i), digestOf.v1));
  await inTurns(made.env, (i) => crowd.environment(nameOf("tag", 0), nameOf("env", i)));
  await inTurns(made.key, (i) => crowd.connect(nameOf("env", i % 3), nameOf("key", i)));
  for (let i = 0; i < made.rev; i++) await crowd.pin(i % 2 === 0 ? "v2" : "v1", nameOf("rev", i));
  await inTurns(made.svc, async (i) => {
    const name = nameOf("svc", i);
    await add(`${of}/services`, { name });
    await add(`${of}/services/${name}/environments/default`, { cluster: nameOf("clu", 0) }, "PATCH");
  });
  return { of, ...crowd };
}

const test = pageTest.extend("crowd", { scope: "file" }, ({ account, newService }) =>
  fill(account, newService),
);

/** Of HTML, without compression. */
const bytesMax = 150_000;

const environmentItem = /<h3 id="environment-([^"]+)"/g;

interface Walk {
  what: string;
  /** @param service the path of the service's page */
  at(service: string): string;
  item: RegExp;
  /** How many there are at least. */
  count: number;
  most?: number;
  forward?: string;
  back?: string;
}

const walks: readonly Walk[] = [
  { what: "services", at: () => "/", item: /<h2><a href="[^"]*\/([^"]+)"/g, count: made.svc },
  {
    what: "environments",
    at: (path) => path,
    item: environmentItem,
    count: made.env,
    most: environmentsShown,
  },
  {
    what: "images",
    at: (path) => `${path}/images`,
    item: /<th scope="row"><a href="[^"]*\/images\/([^"]+)"/g,
    count: made.img,
  },
  {
    what: "backends",
    at: (path) => `${path}/backends`,
    item: /<th scope="row"><a href="\/backend\/([^"]+)"/g,
    count: made.key,
  },
  {
    what: "revisions",
    at: (path) => `${path}/environment/prod`,
    item: /<th scope="row">(\d+)<\/th>/g,
    count: made.rev,
    forward: "Earlier changes",
    back: "Later changes",
  },
  {
    what: "events",
    at: () => "/events",
    item: /<tr id="event-([^"]+)"/g,
    count: made.env + made.svc,
    forward: "Earlier events",
    back: "Later events",
  },
  { what: "clusters", at: () => "/clusters", item: /<tr id="cluster-([^"]+)"/g, count: made.clu },
  { what: "tokens", at: () => "/settings", item: /<th scope="row"><bdi>([^<]+)<\/bdi>/g, count: made.tok },
];

const searches = [
  {
    ...walkOf("services"),
    text: "svc-00",
    forward: "More services",
    found: [0, 1, 2].map((i) => nameOf("svc", i)),
  },
  {
    ...walkOf("environments"),
    text: "env-",
    forward: "More environments",
    found: [0, 1, 2].map((i) => nameOf("env", i)),
  },
  { ...walkOf("images"), text: "img-", forward: "More images", found: [0, 1, 2].map(digestNumber) },
] as const;

function walkOf(what: string): Walk {
  const found = walks.find((walk) => walk.what === what);
  if (!found) throw new Error(`there is no walk of ${what}`);
  return found;
}

/** Where a page's link of this text leads. */
function linkTo(html: string, text: string): string | undefined {
  return new RegExp(`<a href="([^"]*)">${text}</a>`).exec(html)?.[1]?.replaceAll("&amp;", "&");
}

/** The names of the calls of objects, as they are made. */
function countCalls(): string[] {
  const calls: string[] = [];
  for (const [name, { prototype }] of Object.entries({
    Account,
    Backends,
    Cluster,
    Directory,
    Registry,
    Service,
  })) {
    for (const method of Object.getOwnPropertyNames(prototype)) {
      if (notCalled.has(method)) continue;
      const { value: call } = Object.getOwnPropertyDescriptor(prototype, method) ?? {};
      const counted = function (this: unknown, ...params: unknown[]) {
        calls.push(`${name}.${method}`);
        return call.apply(this, params);
      };
      Object.defineProperty(prototype, method, { value: counted, configurable: true, writable: true });
      onTestFinished(() => {
        Object.defineProperty(prototype, method, { value: call, configurable: true, writable: true });
      });
    }
  }
  return calls;
}

const notCalled = new Set(["constructor", "alarm", "fetch", "webSocketClose", "webSocketError"]);

describe("with many of each thing", () => {
  test("no page names more of them than it has room for", { timeout: 240_000 }, async ({ admin, crowd }) => {
    const { path } = crowd;
    const image = `${path}/images/${digestOf.v1}`;
    const pages: [path: string, names: Partial<Record<Kind, number>>][] = [
      ["/", { svc: listLimitDefault }],
      [path, { env: environmentsShown - 2, tag: namesInRowMax, key: 20, rev: 1 }],
      [`${path}/environment/prod`, { img: listLimitDefault - 1, tag: choicesOfferedMax, rev: 20 }],
      [
        `${path}/environment/${nameOf("env", 3)}`,
        { img: listLimitDefault - 1, env: 1, tag: choicesOfferedMax },
      ],
      [`${path}/images`, { img: listLimitDefault - 1, tag: namesInRowMax, env: namesInRowMax }],
      [image, { tag: namesShownMax, env: namesShownMax, key: 50 }],
      [`${path}/backends`, { env: 3, tag: 1, key: listLimitDefault }],
      ["/clusters", { clu: listLimitDefault }],
      ["/clusters/manned", { agt: rowsShownMax }],
      ["/settings", { tok: listLimitDefault }],
    ];
    const shown: typeof pages = [];
    for (const [page] of pages) {
      const { status, html } = await admin.visit(page);
      expect(status, page).toBe(200);
      shown.push([page, namedIn(html)]);
    }
    expect(shown).toEqual(pages);
  });

  test("every page is small, and costs few calls of objects", async ({ admin, crowd }) => {
    const { path } = crowd;
    const image = `${path}/images/${digestOf.v1}`;
    // Each service of a page answers for itself.
    const pages: [path: string, callsMax: number][] = [
      ["/", listLimitDefault + 1],
      [path, 6],
      [`${path}?search=env&over=day`, 6],
      [`${path}/environment/prod`, 2],
      [`${path}/environment/prod?image=v2`, 3],
      [`${path}/images`, 2],
      [`${path}/images?search=img`, 2],
      [image, 5],
      [`${path}/backends`, 4],
      [`${path}/backends?status=ended`, 36],
      ["/clusters", listLimitDefault + 1],
      ["/clusters/manned", 5],
      ["/events", 1],
      ["/settings", 5],
    ];
    const calls = countCalls();
    const shown: unknown[] = [];
    for (const [page, most] of pages) {
      // Who the visitor is, is known from the page before.
      await admin.visit(page);
      calls.length = 0;
      const { status, html } = await admin.visit(page);
      const bytes = new TextEncoder().encode(html).byteLength;
      if (status !== 200 || calls.length > most || bytes > bytesMax)
        shown.push([page, status, bytes, [...calls]]);
    }
    expect(shown).toEqual([]);
  });

  test.for(walks)(
    "$what are walked to their end and back, each of them once",
    async (walk, { admin, crowd }) => {
      const { at, item, count, most = listLimitDefault, ...named } = walk;
      const { forward = `More ${named.what}`, back = `Previous ${named.what}` } = named;
      const page = async (path: string) => {
        const { status, html } = await admin.visit(path);
        expect(status, path).toBe(200);
        const items = Array.from(html.matchAll(item), ([, name]) => name);
        expect(items.length).toBeLessThanOrEqual(most);
        return { items, next: linkTo(html, forward), previous: linkTo(html, back) };
      };
      const first = await page(at(crowd.path));
      expect(first.previous).toBeUndefined();
      const pages = [first];
      for (let path = first.next; path !== undefined; path = pages.at(-1)?.next) pages.push(await page(path));
      const items = pages.flatMap((one) => one.items);
      expect(new Set(items).size).toBe(items.length);
      expect(items.length).toBeGreaterThanOrEqual(count);
      const last = pages.at(-1) ?? first;
      const returned = [last];
      for (let path = last.previous; path !== undefined; path = returned[0]?.previous) {
        returned.unshift(await page(path));
      }
      expect(returned.map((one) => one.items)).toEqual(pages.map((one) => one.items));
    },
  );

  test.for(searches)(
    "a search of $what finds what there is on no first page, and keeps to it",
    async (search, { admin, crowd }) => {
      const { at, item, text, found, forward } = search;
      const path = at(crowd.path);
      const { html } = await admin.visit(path);
      // A form that works without scripts, at the page's own address.
      expect(html).toMatch(/<input type="search" name="search"/);
      const searched = await admin.visit(`${path}?${new URLSearchParams({ search: text })}`);
      expect(Array.from(searched.html.matchAll(item), ([, name]) => name).slice(0, 3)).toEqual(found);
      expect(searched.html).toContain(`name="search" value="${text}"`);
      const next = linkTo(searched.html, forward);
      expect(next).toContain(`search=${text}`);
      const { html: second } = await admin.visit(next ?? "");
      expect(second).toContain(`name="search" value="${text}"`);
      expect(second.match(item)?.length).toBeGreaterThan(0);
      const nothing = await admin.visit(`${path}?search=no-such-thing`);
      expect([nothing.status, nothing.html.match(item)]).toEqual([200, null]);
      expect(nothing.html).toMatch(/There is no such|There are no such|No live backends match/);
    },
  );

  test("an open page stays at the page of the list that it shows", async ({ admin, crowd }) => {
    const { html } = await admin.visit(crowd.path);
    const second = linkTo(html, "More environments") ?? "";
    const page = await admin.visit(second);
    const stream = page.html.match(/hx-sse:connect="([^"]*)"/)?.[1]?.replaceAll("&amp;", "&");
    expect(stream).toContain(second.slice(second.indexOf("environments=")));
    const names = (text: string) => Array.from(text.matchAll(environmentItem), ([, name]) => name);
    const followed = await admin.follow(second);
    expect(names((await followed.next()) ?? "")).toEqual(names(page.html));
    await crowd.environment("v1", "newest");
    await crowd.pin("v1", "of the first page");
    await crowd.connect(names(page.html)[0], "on the second page");
    const after = await followed.nextWith("on the second page");
    expect(names(after)).toEqual(names(page.html));
    expect(after).not.toContain("live=");
  });

  test("no refusal names more of them than a person reads, and its details say how many there are", async ({
    account,
    crowd,
  }) => {
    const { of, api } = crowd;
    const token = account.admin;
    const environment = { name: "new", image: "v1", cluster: "nowhere" };
    const refusals: [string, Parameters<typeof refusal>[1], string, string | null][] = [
      [`${of}/clusters/${nameOf("clu", 0)}`, { method: "DELETE" }, "cluster_in_use", "services"],
      [`${api}/environments/nowhere`, {}, "environment_not_found", "environments"],
      [`/v2/service/${account.name}/crowd/connect`, { json: {} }, "environment_required", "environments"],
      [`${api}/environments`, { json: environment }, "cluster_not_found", "clusters"],
      [`${api}/images/${digestOf.v1}`, { method: "DELETE" }, "image_in_use", null],
    ];
    for (const [path, request, code, field] of refusals) {
      const { error } = await refusal(path, { ...request, token });
      expect(error.code, path).toBe(code);
      const counts = Object.values(namedIn(error.message));
      expect(Math.max(...counts), error.message).toBeGreaterThan(namesInMessageMax - 5);
      expect(Math.max(...counts), error.message).toBeLessThanOrEqual(namesInMessageMax);
      expect(error.message).toMatch(/ and \d+ more/);
      if (field === null) continue;
      const { [field]: names, [`${field}_total`]: total } = z.record(z.string(), z.unknown()).parse(error);
      expect(names).toHaveLength(namesInDetailsMax);
      expect(total).toBeGreaterThan(namesInDetailsMax);
    }
  });
});
