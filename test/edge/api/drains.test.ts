import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, vi } from "vitest";
import { z } from "zod";
import { serviceStub } from "../../../src/objects/stubs.ts";
import { dataLines } from "../../../src/protocol/sse-lines.ts";
import { type Drain, drain, drainList } from "../../../src/protocol/v3/drains.ts";
import { eventList } from "../../../src/protocol/v3/events.ts";
import { call, createAccount, createCluster, createToken, refusal, send } from "../../support/worker/api.ts";
import { digestOf, pinnedService } from "../../support/worker/pinned-service.ts";
import { notRunningHere } from "../../support/worker/scripted-cluster.ts";
import { clusterTest } from "../../support/worker/worker-test.ts";

const test = clusterTest.extend("hello", async ({ cluster }) => {
  cluster.always(({ type }) => (type === "backend.terminate" ? notRunningHere() : Response.json({})));
  const account = await createAccount();
  await createCluster(account);
  const service = await pinnedService(account);
  const drains = `${service.api}/drains`;
  return {
    account,
    ...service,
    drains,
    create: (json: object, token = account.admin) => call(drain, drains, { token, json }),
  };
});

/** The events of a stream, as far as it was read. */
async function follow(path: string, token: string) {
  const response = await send(path, { token, headers: { accept: "text/event-stream" } });
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const lines = dataLines(64 * 1024);
  const events: Drain[] = [];
  const over = (async () => {
    for (;;) {
      const next = await reader?.read();
      if (!next || next.done) return;
      for (const line of lines.push(next.value)) events.push(drain.parse(JSON.parse(line)));
    }
  })();
  return { events, over };
}

describe("a drain of the API", () => {
  test("is made, listed, looked at and watched until its end", async ({ hello }) => {
    const { account, api, drains, connect, pin, create } = hello;
    const token = account.admin;
    const ids = [];
    for (const key of ["a", "b", "c"]) ids.push((await connect("prod", key)).backend_id);
    await pin("v2");
    const begun = await create({ environment: "prod", digest: digestOf.v1, rate_per_minute: 3_000 });
    expect(begun).toMatchObject({ environment: "prod", digest: digestOf.v1, total: 3, when: "idle" });
    const { events, over } = await follow(`${drains}/${begun.id}/stream`, token);
    await over;
    expect(events.at(-1)).toMatchObject({ id: begun.id, state: "drained", total: 3, ended: 3, live: 0 });
    for (const [i, { ended }] of events.entries())
      expect(ended).toBeGreaterThanOrEqual(events[i - 1]?.ended ?? 0);
    expect(await call(drain, `${drains}/${begun.id}`, { token })).toEqual(events.at(-1));
    expect((await call(drainList, drains, { token })).drains).toEqual([events.at(-1)]);
    await vi.waitFor(async () => {
      const path = `/v3/accounts/${account.name}/events?type=drain.ended`;
      const { events } = await call(eventList, path, { token });
      expect(events).toMatchObject([{ environment: "prod", details: { drain_id: begun.id, ended: 3 } }]);
    });
    expect(
      (await call(z.looseObject({ live_backends: z.int() }), `${api}/environments/prod`, { token }))
        .live_backends,
    ).toBe(0);
  });

  test("shows each of its changes to those who watch, and its cancellation ends their streams", async ({
    hello,
  }) => {
    const { account, drains, connect, pin, create } = hello;
    const token = account.admin;
    await connect();
    await connect();
    await pin("v2");
    const { id } = await create({ digest: digestOf.v1 });
    const { events, over } = await follow(`${drains}/${id}/stream`, token);
    await vi.waitFor(() => expect(events).toHaveLength(1));
    expect(events[0]).toMatchObject({ state: "draining", live: 2, held_up_by: { count: 2 } });
    const [first] = events[0]?.held_up_by.backends ?? [];
    await call(z.looseObject({}), `/v2/backend/${first}/terminate`, { token, json: { hard: true } });
    await vi.waitFor(() => expect(events.at(-1)).toMatchObject({ state: "draining", live: 1, ended: 1 }));
    const cancelled = await call(drain, `${drains}/${id}/cancel`, { method: "POST", token });
    expect(cancelled).toMatchObject({ state: "cancelled", reason: "requested" });
    await over;
    expect(events.at(-1)).toEqual(cancelled);
    // Later the stream has nothing else to say.
    const again = await follow(`${drains}/${id}/stream`, token);
    await again.over;
    expect(again.events).toEqual([cancelled]);
  });

  test("goes on by the alarm of its service alone", async ({ hello, cluster }) => {
    const { account, connect, pin, create, drains } = hello;
    await connect("prod", "a");
    await connect("prod", "b");
    await pin("v2");
    const sent = () => cluster.of("backend.terminate").length;
    const before = sent();
    const { id } = await create({ digest: digestOf.v1, rate_per_minute: 600 });
    const service = serviceStub(env, account.name, "hello");
    await vi.waitFor(async () => {
      await runDurableObjectAlarm(service);
      expect(sent() - before).toBe(2);
    });
    await vi.waitFor(async () => {
      expect(await call(drain, `${drains}/${id}`, { token: account.admin })).toMatchObject({
        state: "drained",
      });
    });
  });

  test("of what runs now is refused, in words that say what runs it", async ({ hello }) => {
    const { account, drains } = hello;
    const refused = await refusal(drains, { token: account.admin, json: { digest: digestOf.v1 } });
    expect(refused).toMatchObject({ status: 409, code: "digest_current" });
    expect(refused.message).toBe(`${digestOf.v1} is what \`prod\` runs now; drain it once it is replaced`);
  });
});

describe("a body that says too little, too much or the wrong thing", () => {
  const digest = digestOf.v2;
  test.for<[json: object, says: RegExp]>([
    [{}, /name one of `digest`, `before_revision` and `before`/],
    [{ digest, before: "2026-11-23T09:00:00Z" }, /name one of/],
    [{ before_revision: 2 }, /name it as `environment`/],
    [{ environment: "prod", before_revision: 0 }, /before_revision/],
    [{ before: "yesterday" }, /before/],
    [{ digest: "latest" }, /digest/],
    [{ digest, environment: "Prod" }, /environment/],
    [{ digest, rate_per_minute: 0 }, /rate_per_minute/],
    [{ digest, rate_per_minute: 6_001 }, /rate_per_minute/],
    [{ digest, when: "now" }, /when/],
    [{ digest, when: { at_end_of: -1 } }, /when/],
    [{ digest, when: { at_end_of: 5, hard: true } }, /when/],
    [{ digest, keep: { keys: [""] } }, /keep/],
    [{ digest, keep: { backends: ["*"] } }, /keep/],
    [{ digest, keep: { keys: Array.from({ length: 101 }, (_, i) => `k${i}`) } }, /keep/],
    [{ digest, hard: true }, /hard/],
  ])("is refused, and begins nothing: %j", async ([json, says], { hello }) => {
    const token = hello.account.admin;
    const refused = await refusal(hello.drains, { token, json });
    expect(refused).toMatchObject({ status: 400, code: "bad_request" });
    expect(refused.message).toMatch(says);
    expect((await call(drainList, hello.drains, { token })).drains).toEqual([]);
  });

  test("but times with any offset are times", async ({ hello }) => {
    const begun = await hello.create({ before: "2026-11-23T10:00:00+01:00" });
    expect(begun.before).toBe("2026-11-23T09:00:00.000Z");
  });
});

describe("a token narrowed to environments", () => {
  test("drains only there, and may name none", async ({ hello }) => {
    const { account, drains, environment, connect, create } = hello;
    await environment("v1", "staging");
    await connect("prod", "a");
    await connect("staging", "a");
    await call(z.looseObject({}), `${hello.api}/environments/staging/pin`, {
      method: "PUT",
      token: account.admin,
      json: { image: "v2" },
    });
    const scope = { service: "hello", environments: ["staging"] };
    const { secret_token: token } = await createToken(account, { role: "deploy", ...scope });
    const { secret_token: reader } = await createToken(account, { role: "read", ...scope });
    const json = { digest: digestOf.v1 };
    const other = await refusal(drains, { token, json: { ...json, environment: "prod" } });
    expect([other.status, other.code]).toEqual([403, "forbidden"]);
    expect((await refusal(drains, { token: reader, json })).status).toBe(403);
    const begun = await create(json, token);
    expect(begun).toMatchObject({ environment: "staging", total: 1 });
    await call(drain, `${drains}/${begun.id}`, { token: reader });
    expect((await refusal(`${drains}/${begun.id}/cancel`, { method: "POST", token: reader })).status).toBe(
      403,
    );
    const whole = await create({ before: "2020-01-01T00:00:00Z" });
    for (const [method, below] of [
      ["GET", ""],
      ["GET", "/stream"],
      ["POST", "/cancel"],
    ] as const) {
      const hidden = await refusal(`${drains}/${whole.id}${below}`, { method, token });
      expect([hidden.status, hidden.code]).toEqual([404, "drain_not_found"]);
    }
  });
});
