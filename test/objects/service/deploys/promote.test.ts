import { describe, expect, vi } from "vitest";
import { evict } from "../../../support/worker/clock.ts";
import { test } from "../../support/object-test.ts";
import { code, digestNumber, type Hello, value } from "../../support/service.ts";
import { admin, as, deployer, done, move, report, sessions, stagingAndProd } from "./fixture.ts";

const promote = { kind: "promote", from: "staging" } as const;

async function gatesOf(hello: Hello) {
  const refused = await move(hello, "prod", promote);
  if (refused.ok) throw new Error("the gates are met");
  expect(refused.error.code).toBe("gate_not_met");
  return refused.error.details?.gates;
}

const environment = async (hello: Hello, name: string) => value(await hello.service().getEnvironment(name));

describe("a promotion", () => {
  test("pins the exact digest that the other environment resolves to, never its tag", async ({ hello }) => {
    await stagingAndProd(hello);
    const promoted = done(await move(hello, "prod", { ...promote, note: "release 1" }));
    expect(promoted).toEqual({
      environment: "prod",
      image: digestNumber(1),
      digest: digestNumber(1),
      revision: 2,
      previous: { image: digestNumber(2), digest: digestNumber(2), revision: 1 },
    });
    await hello.push(3, "v1");
    expect((await environment(hello, "prod")).digest).toBe(digestNumber(1));
    const [newest] = value(await hello.service().history("prod", { limit: 1 })).items;
    expect(newest).toMatchObject({ kind: "promote", from: "staging", note: "release 1", returnable: true });
  });

  test("is refused where the other one has moved on from what was expected", async ({ hello }) => {
    await stagingAndProd(hello);
    await hello.push(3, "v1");
    const refused = await move(hello, "prod", { ...promote, digest: digestNumber(1) });
    expect(refused).toMatchObject({
      ok: false,
      error: { code: "candidate_moved", details: { digest: digestNumber(3), revision: 2 } },
    });
    expect((await environment(hello, "prod")).revision).toBe(1);
    done(await move(hello, "prod", { ...promote, digest: digestNumber(3) }));
  });

  test("is refused from itself, from what is not there, and from what the token does not reach", async ({
    hello,
  }) => {
    await stagingAndProd(hello);
    expect(code(await move(hello, "prod", { kind: "promote", from: "prod" }))).toBe("bad_request");
    expect(code(await move(hello, "prod", { kind: "promote", from: "qa" }))).toBe("environment_not_found");
    const narrowed = { ...deployer, actor: { ...deployer.actor, environments: ["prod"] } };
    expect(code(await move(hello, "prod", promote, narrowed))).toBe("forbidden");
  });

  test("minds If-Match as a pin does", async ({ hello }) => {
    await stagingAndProd(hello);
    expect(code(await move(hello, "prod", promote, { ...deployer, ifMatch: 7 }))).toBe("revision_conflict");
  });
});

test("a promotion among pushes and pins takes exactly one digest, and the history tells which", async ({
  hello,
}) => {
  await stagingAndProd(hello, { gates: { from: ["staging"] } });
  const service = hello.service();
  for (let n = 3; n < 9; n++) await hello.push(n);
  const answers = await Promise.all([
    ...[3, 4, 5].map((n) => service.recordImage({ digest: digestNumber(n), tag: "v1" }, admin)),
    ...[1, 2, 3, 4].map(() => move(hello, "prod", promote)),
    ...[6, 7, 8].map((n) => service.pin("staging", { image: digestNumber(n) }, deployer)),
    ...[1, 2, 3, 4].map(() => move(hello, "prod", promote)),
  ]);
  const promoted = answers.flatMap((answer) =>
    answer.ok && "done" in answer.value ? [[answer.value.done.revision, answer.value.done.digest]] : [],
  );
  expect(promoted).toHaveLength(8);
  const { items } = value(await service.history("prod", { limit: 50 }));
  const told = items
    .filter(({ kind }) => kind === "promote")
    .map(({ revision, digest }) => [revision, digest]);
  expect(told.toReversed()).toEqual(promoted.toSorted(([a], [b]) => Number(a) - Number(b)));
  // Each is what staging resolved to at some time.
  const staged = value(await service.history("staging", { limit: 50 })).items.map(({ digest }) => digest);
  for (const [, digest] of told) expect(staged).toContain(digest);
});

describe("gates", () => {
  test("are met by sessions that became ready on the digest in its present stay, as they are counted", async ({
    hello,
  }) => {
    await stagingAndProd(hello, { gates: { from: ["staging"], min_ready: 2 } });
    expect(await gatesOf(hello)).toEqual([
      { name: "from", state: "passed", have: ["staging"], need: ["staging"], environment: "staging" },
      { name: "min_ready", state: "pending", have: 0, need: 2, environment: "staging" },
    ]);
    await sessions(hello, "staging", { ready: 2 });
    done(await move(hello, "prod", promote));
    const [newest] = value(await hello.service().history("prod", { limit: 1 })).items;
    expect(newest?.gates).toBe("passed");
  });

  test("start over when the digest was gone for a while", async ({ hello }) => {
    await stagingAndProd(hello, { gates: { from: ["staging"], min_ready: 1 } });
    await sessions(hello, "staging", { ready: 1 });
    value(await hello.service().pin("staging", { image: "v2" }, deployer));
    value(await hello.service().pin("staging", { image: "v1" }, deployer));
    expect(await gatesOf(hello)).toMatchObject([{ state: "passed" }, { state: "pending", have: 0 }]);
  });

  test("do not start over where the same digest is pinned again", async ({ hello }) => {
    await stagingAndProd(hello, { gates: { from: ["staging"], min_ready: 1 } });
    await sessions(hello, "staging", { ready: 1 });
    value(await hello.service().pin("staging", { image: digestNumber(1) }, deployer));
    done(await move(hello, "prod", promote));
  });

  test("close again where what had passed gets bad", async ({ hello }) => {
    await stagingAndProd(hello, { gates: { from: ["staging"], max_failed_share: 0.25, min_samples: 4 } });
    expect(await gatesOf(hello)).toMatchObject([{}, { state: "pending", have: null, samples: 0 }]);
    await sessions(hello, "staging", { ready: 3, failed: 1 });
    const plan = value(await hello.service().move("prod", promote, deployer, "plan"));
    expect(plan).toMatchObject({ plan: { refusals: [], gates: [{}, { state: "passed", have: 0.25 }] } });
    await sessions(hello, "staging", { failed: 1 });
    expect(await gatesOf(hello)).toMatchObject([{}, { state: "failed", have: 0.4, samples: 5 }]);
  });

  test("count a session that ends by itself within 60 s of being ready, and none that ends on request", async ({
    hello,
  }) => {
    await stagingAndProd(hello, { gates: { from: ["staging"], max_failed_share: 0.5, min_samples: 1 } });
    const [crashing = "", ended = ""] = await sessions(hello, "staging", { ready: 2 });
    vi.setSystemTime(Date.now() + 60_000);
    await report(hello, crashing, "terminated");
    value(await hello.service().terminate(ended, false, admin));
    await report(hello, ended, "terminated");
    const plan = value(await hello.service().move("prod", promote, deployer, "plan"));
    expect(plan).toMatchObject({ plan: { gates: [{}, { state: "passed", have: 0.5, samples: 2 }] } });
  });

  test("count no session whose spawn named its image", async ({ hello }) => {
    await stagingAndProd(hello, { gates: { from: ["staging"], min_ready: 1 } });
    const { backendId } = value(await hello.connect({ environment: "staging", spawn: { tag: "v1" } }));
    await report(hello, backendId, "ready");
    expect(await gatesOf(hello)).toMatchObject([{}, { have: 0 }]);
  });

  test("say when a soak is over, and begin it anew after an interruption", async ({ hello }) => {
    vi.setSystemTime("2030-01-01T00:00:00Z");
    await stagingAndProd(hello, { gates: { from: ["staging"], soak_seconds: 3600 } });
    vi.setSystemTime("2030-01-01T00:20:00Z");
    expect(await gatesOf(hello)).toMatchObject([
      {},
      { state: "pending", have: 1200, need: 3600, passes_at: "2030-01-01T01:00:00.000Z" },
    ]);
    value(await hello.service().pin("staging", { image: "v2" }, deployer));
    value(await hello.service().pin("staging", { image: "v1" }, deployer));
    vi.setSystemTime("2030-01-01T01:10:00Z");
    expect(await gatesOf(hello)).toMatchObject([{}, { passes_at: "2030-01-01T01:20:00.000Z" }]);
    vi.setSystemTime("2030-01-01T01:20:00Z");
    done(await move(hello, "prod", promote));
  });

  test("take the newest word of a check, and pending after passed reopens them", async ({ hello }) => {
    await stagingAndProd(hello, { gates: { checks: ["e2e", "scan"] } });
    const checker = as("read", "checker", { rights: ["check"] });
    const post = async (name: string, state: "pending" | "passed" | "failed") =>
      value(await hello.service().postCheck(digestNumber(1), { name, state }, checker));
    await post("e2e", "passed");
    await post("scan", "failed");
    expect(await gatesOf(hello)).toEqual([
      { name: "checks", state: "failed", have: ["e2e"], need: ["e2e", "scan"] },
    ]);
    await post("scan", "passed");
    await post("e2e", "pending");
    expect(await gatesOf(hello)).toMatchObject([{ state: "pending", have: ["scan"] }]);
    await post("e2e", "passed");
    done(await move(hello, "prod", promote));
    expect(
      value(await hello.service().checks(digestNumber(1))).map(({ name, state }) => [name, state]),
    ).toEqual([
      ["e2e", "passed"],
      ["scan", "passed"],
    ]);
  });

  test("take one of several upstreams, or all", async ({ hello }) => {
    const gates = { from: ["staging", "qa"], min_ready: 1 };
    await stagingAndProd(hello);
    value(await hello.service().createEnvironment({ name: "qa", image: "v1" }, admin));
    const protect = async (match: "any" | "all") =>
      value(
        await hello.service().patchEnvironment("prod", { settings: { gates: { ...gates, match } } }, admin),
      );
    await sessions(hello, "qa", { ready: 1 });
    await protect("all");
    expect(await gatesOf(hello)).toMatchObject([
      { state: "passed", have: ["staging", "qa"] },
      { state: "pending", environment: "staging" },
    ]);
    await protect("any");
    done(await move(hello, "prod", promote));
  });

  test("hold for a pin as well", async ({ hello }) => {
    await stagingAndProd(hello, { gates: { from: ["staging"] } });
    await hello.push(3, "v3");
    expect(code(await move(hello, "prod", { kind: "pin", image: "v3" }))).toBe("gate_not_met");
    done(await move(hello, "prod", { kind: "pin", image: "v1" }));
  });

  test("are forced by an admin with a note only, and that is written", async ({ hello }) => {
    await stagingAndProd(hello, { gates: { from: ["staging"], min_ready: 9 } });
    expect(code(await move(hello, "prod", { ...promote, force: true, note: "now" }))).toBe("forbidden");
    expect(code(await move(hello, "prod", { ...promote, force: true }, admin))).toBe("bad_request");
    done(await move(hello, "prod", { ...promote, force: true, note: "an incident" }, admin));
    const [newest] = value(await hello.service().history("prod", { limit: 1 })).items;
    expect(newest).toMatchObject({ kind: "promote", gates: "forced", note: "an incident" });
  });

  test("name upstreams that there are, in no circle", async ({ hello }) => {
    await stagingAndProd(hello, { gates: { from: ["staging"] } });
    const from = async (name: string, upstream: string) =>
      hello.service().patchEnvironment(name, { settings: { gates: { from: [upstream] } } }, admin);
    expect(await from("prod", "qa")).toMatchObject({ ok: false, error: { code: "bad_request" } });
    expect(await from("prod", "prod")).toMatchObject({ ok: false, error: { code: "bad_request" } });
    expect(await from("staging", "prod")).toMatchObject({
      ok: false,
      error: { message: "`gates.from` leads in a circle: `staging` from `prod` from `staging`" },
    });
  });
});

describe("what is counted", () => {
  test("of failures survives a kill at once; of successes it may be lost, which is stricter", async ({
    hello,
  }) => {
    await stagingAndProd(hello, { gates: { from: ["staging"], max_failed_share: 0.1, min_samples: 1 } });
    await sessions(hello, "staging", { failed: 1 });
    await sessions(hello, "staging", { ready: 1 });
    await evict(hello.service());
    expect(await gatesOf(hello)).toMatchObject([{}, { state: "failed", have: 1, samples: 1 }]);
  });

  test("of successes is written within ten seconds", async ({ hello }) => {
    await stagingAndProd(hello, { gates: { from: ["staging"], min_ready: 2 } });
    await sessions(hello, "staging", { ready: 2 });
    vi.setSystemTime(Date.now() + 10_000);
    const { runDurableObjectAlarm } = await import("cloudflare:test");
    await runDurableObjectAlarm(hello.service());
    await evict(hello.service());
    done(await move(hello, "prod", promote));
  });
});
