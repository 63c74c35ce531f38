import { runInDurableObject } from "cloudflare:test";
import { describe, expect, vi } from "vitest";
import { changeOpenMs, openChangesMax } from "../../../../src/domain/limits.ts";
import type { Caller } from "../../../../src/objects/contract.ts";
import { test } from "../../support/object-test.ts";
import { code, digestNumber, type Hello, value } from "../../support/service.ts";
import { stagingAndProd, team, token } from "./fixture.ts";

const promote = { kind: "promote", from: "staging" } as const;

async function requested(hello: Hello, caller: Caller) {
  const outcome = value(await hello.service().move("prod", promote, caller));
  if (!("change" in outcome)) throw new Error("it does not wait");
  return outcome.change;
}

const prod = async (hello: Hello) => value(await hello.service().getEnvironment("prod"));
const approve = async (hello: Hello, id: string, by: Caller, note?: string) =>
  hello.service().approve("prod", id, note, by);
const changes = async (hello: Hello) => value(await hello.service().changes("prod", { limit: 50 })).items;

describe("a change that needs approval", () => {
  test("waits, and is carried out in the request of whoever approves last, as of whoever requested it", async ({
    hello,
  }) => {
    const { dev, ann, bob } = await team(hello);
    await stagingAndProd(hello, { approvals: 2 });
    const change = await requested(hello, dev);
    expect(change).toMatchObject({
      environment: "prod",
      kind: "promote",
      state: "open",
      digest: digestNumber(1),
      revision: 1,
      requested_by: { token_name: "dev" },
      approvals: [],
      approvals_needed: 2,
    });
    expect((await prod(hello)).digest).toBe(digestNumber(2));
    expect(value(await approve(hello, change.id, ann, "looks fine"))).toMatchObject({
      state: "open",
      approvals: [{ token_name: "ann", note: "looks fine" }],
    });
    expect(value(await approve(hello, change.id, bob))).toMatchObject({ state: "executed" });
    expect(await prod(hello)).toMatchObject({ digest: digestNumber(1), revision: 2 });
    const [newest] = value(await hello.service().history("prod", { limit: 1 })).items;
    expect(newest).toMatchObject({ kind: "promote", by: { token_name: "dev" } });
    expect(await approve(hello, change.id, ann)).toMatchObject({ ok: false, error: { code: "change_over" } });
  });

  test("carries the digest that it was requested for, whatever is pushed or pinned upstream meanwhile", async ({
    hello,
  }) => {
    const { dev, ann } = await team(hello);
    await stagingAndProd(hello, { approvals: 1 });
    const change = await requested(hello, dev);
    await hello.push(3, "v1");
    value(await approve(hello, change.id, ann));
    expect((await prod(hello)).digest).toBe(digestNumber(1));
  });

  test("is approved by nobody without the right, nor by whoever requested it, made them, or was made by them", async ({
    hello,
  }) => {
    const { boss, dev, peer } = await team(hello);
    await stagingAndProd(hello, { approvals: 1 });
    const change = await requested(hello, peer);
    for (const by of [dev, peer, { ...boss, actor: { ...boss.actor, rights: ["approve" as const] } }]) {
      expect(code(await approve(hello, change.id, by))).toBe("forbidden");
    }
    const mine = await requested(hello, boss);
    expect(code(await approve(hello, mine.id, peer))).toBe("forbidden");
    expect((await prod(hello)).revision).toBe(1);
  });

  test("counts nobody twice, also not as another token of theirs", async ({ hello }) => {
    const { boss, dev, ann } = await team(hello);
    const second = await token(hello, "annhead", { role: "admin", rights: ["approve"] }, boss);
    const made = await token(hello, "annmade", { role: "read", rights: ["approve"] }, second);
    await stagingAndProd(hello, { approvals: 3 });
    const change = await requested(hello, dev);
    value(await approve(hello, change.id, ann));
    expect(code(await approve(hello, change.id, ann))).toBe("forbidden");
    value(await approve(hello, change.id, second));
    expect(code(await approve(hello, change.id, made))).toBe("forbidden");
    expect((await prod(hello)).revision).toBe(1);
  });

  test("is over after a day", async ({ hello }) => {
    const { dev, ann } = await team(hello);
    await stagingAndProd(hello, { approvals: 1 });
    const change = await requested(hello, dev);
    vi.setSystemTime(Date.now() + changeOpenMs);
    expect(await approve(hello, change.id, ann)).toMatchObject({
      ok: false,
      error: { code: "change_over", details: { state: "expired" } },
    });
    expect(await changes(hello)).toMatchObject([{ state: "expired" }]);
  });

  test("is overtaken by any other change of its environment: a move, and settings", async ({ hello }) => {
    const { boss, dev, ann } = await team(hello);
    await stagingAndProd(hello, { approvals: 1 });
    const first = await requested(hello, dev);
    value(await hello.service().patchEnvironment("prod", { settings: { max_idle_seconds: 7 } }, boss));
    expect(code(await approve(hello, first.id, ann))).toBe("change_over");
    const [second, third] = [await requested(hello, dev), await requested(hello, dev)];
    value(await approve(hello, second.id, ann));
    expect(await approve(hello, third.id, ann)).toMatchObject({ error: { details: { state: "overtaken" } } });
    expect((await prod(hello)).revision).toBe(2);
  });

  test("is judged once more when it is carried out: what stands in its way by then refuses it", async ({
    hello,
  }) => {
    const { boss, dev, ann } = await team(hello);
    await stagingAndProd(hello, { approvals: 1 });
    const change = await requested(hello, dev);
    value(await hello.service().stop("prod", "an incident", boss));
    expect(code(await approve(hello, change.id, ann))).toBe("environment_stopped");
    expect(await changes(hello)).toMatchObject([
      { state: "rejected", outcome: expect.stringContaining("an incident") },
    ]);
    expect((await prod(hello)).revision).toBe(1);
  });

  test("is not carried out for somebody whose token is no more", async ({ hello }) => {
    const { boss, dev, ann } = await team(hello);
    await stagingAndProd(hello, { approvals: 1 });
    const change = await requested(hello, dev);
    value(await hello.accountObject.deleteToken(dev.actor.tokenId, boss));
    expect(value(await approve(hello, change.id, ann))).toMatchObject({ state: "rejected" });
    expect((await prod(hello)).revision).toBe(1);
  });

  test("is rejected by those who may approve, and withdrawn by whoever requested it", async ({ hello }) => {
    const { dev, peer, ann } = await team(hello);
    await stagingAndProd(hello, { approvals: 1 });
    const end = async (id: string, how: "rejected" | "withdrawn", by: Caller) =>
      hello.service().endChange("prod", id, how, "no", by);
    const first = await requested(hello, dev);
    expect(code(await end(first.id, "rejected", dev))).toBe("forbidden");
    expect(value(await end(first.id, "rejected", ann))).toMatchObject({ state: "rejected", outcome: "no" });
    const second = await requested(hello, dev);
    expect(code(await end(second.id, "withdrawn", peer))).toBe("forbidden");
    expect(value(await end(second.id, "withdrawn", dev))).toMatchObject({ state: "withdrawn" });
    expect(code(await end("none", "withdrawn", dev))).toBe("change_not_found");
  });

  test("takes a place only as long as it is open: what is over in other environments is in nobody's way", async ({
    hello,
  }) => {
    const { dev } = await team(hello);
    await stagingAndProd(hello, { approvals: 1 });
    for (let n = 0; n < openChangesMax; n++) await requested(hello, dev);
    expect(code(await hello.service().move("prod", promote, dev))).toBe("quota_exceeded");
    value(
      await hello.service().createEnvironment({ name: "qa", image: "v1", settings: { approvals: 1 } }, dev),
    );
    vi.setSystemTime(Date.now() + changeOpenMs);
    const later = value(await hello.service().move("qa", { kind: "pin", image: "v2" }, dev));
    expect(later).toMatchObject({ change: { state: "open" } });
  });

  test("protects its image from deletion, as long as it is open", async ({ hello }) => {
    const { dev, boss } = await team(hello);
    await stagingAndProd(hello, { approvals: 1 });
    await hello.push(5);
    const outcome = value(await hello.service().move("prod", { kind: "pin", image: digestNumber(5) }, dev));
    if (!("change" in outcome)) throw new Error("it does not wait");
    expect(await hello.service().deleteImage(digestNumber(5), boss)).toMatchObject({
      ok: false,
      error: { message: expect.stringContaining(`change \`${outcome.change.id}\` waits`) },
    });
    value(await hello.service().endChange("prod", outcome.change.id, "withdrawn", undefined, dev));
    value(await hello.service().deleteImage(digestNumber(5), boss));
  });

  test("is refused to v1 and v2 with its name, since their clients take any answer for done", async ({
    hello,
  }) => {
    const { dev } = await team(hello);
    await stagingAndProd(hello, { approvals: 1 });
    const refused = await hello.service().pin("prod", { image: "v1" }, dev);
    const [change] = await changes(hello);
    expect(refused).toMatchObject({
      ok: false,
      error: { code: "approval_required", details: { change: change?.id, approvals_needed: 1 } },
    });
  });

  test("is what weakening a protection is: it takes an admin, and approval as it was", async ({ hello }) => {
    const { boss, dev, ann } = await team(hello);
    await stagingAndProd(hello, { approvals: 1, gates: { from: ["staging"] } });
    const weaken = async (settings: object, by: Caller) =>
      hello.service().patchEnvironment("prod", { settings }, by);
    expect(code(await weaken({ approvals: null }, dev))).toBe("forbidden");
    const outcome = value(await weaken({ approvals: 0, gates: null }, boss));
    if (!("change" in outcome)) throw new Error("it does not wait");
    expect((await prod(hello)).settings).toMatchObject({ approvals: 1 });
    // Whoever was made by the one who asks is not another person.
    expect(code(await approve(hello, outcome.change.id, ann))).toBe("forbidden");
    value(await weaken({ approvals: 2 }, boss));
    expect((await prod(hello)).settings).toMatchObject({ approvals: 2 });
  });

  test("plans leave nothing behind", async ({ hello }) => {
    const { dev } = await team(hello);
    await stagingAndProd(hello, { approvals: 1 });
    const dump = () =>
      runInDurableObject(hello.service(), (_, { storage }) =>
        JSON.stringify(
          [
            "environments",
            "revisions",
            "changes",
            "candidates",
            "rejections",
            "arms",
            "event_outbox",
            "deliveries",
          ].map((table) => storage.sql.exec(`SELECT * FROM ${table}`).toArray()),
        ),
      );
    const before = await dump();
    expect(value(await hello.service().move("prod", promote, dev, "plan"))).toMatchObject({
      plan: {
        kind: "promote",
        before: { digest: digestNumber(2), revision: 1 },
        after: { image: digestNumber(1), digest: digestNumber(1) },
        approvals_needed: 1,
        refusals: [],
        clusters: ["main"],
        live: [],
        live_total: 0,
      },
    });
    expect(await dump()).toBe(before);
  });
});
