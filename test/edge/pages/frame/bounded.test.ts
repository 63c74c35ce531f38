import { describe, expect } from "vitest";
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
  tag: choicesOfferedMax + 5,
  env: choicesOfferedMax + 5,
  key: listLimitDefault + 5,
  rev: 25,
} as const;
type Kind = keyof typeof made;

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

describe("with many of each thing", () => {
  test("no page names more of them than it has room for", { timeout: 240_000 }, async ({ admin, crowd }) => {
    const { path } = crowd;
    const image = `${path}/images/${digestOf.v1}`;
    const pages: [path: string, names: Partial<Record<Kind, number>>][] = [
      ["/", { svc: listLimitDefault }],
      [path, { env: environmentsShown - 2, tag: namesInRowMax, key: 20, rev: 1 }],
      [`${path}/environment/prod`, { tag: choicesOfferedMax, rev: 20 }],
      [`${path}/environment/${nameOf("env", 3)}`, { env: 1, tag: choicesOfferedMax }],
      [`${path}/images`, { tag: namesInRowMax, env: namesInRowMax }],
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
