import { describe, expect } from "vitest";
import { test } from "../../support/object-test.ts";
import { code, digestNumber, type Hello, value } from "../../support/service.ts";
import { admin, deployer, done, move, sessions } from "./fixture.ts";

const back = { kind: "rollback" } as const;

/** `prod`, which was pinned to the images 1 to 4 one after the other: revisions 1 to 4. */
async function fourDeploys(hello: Hello, ready: readonly number[] = []): Promise<void> {
  for (const n of [1, 2, 3, 4]) await hello.push(n, `v${n}`);
  value(await hello.service().createEnvironment({ name: "prod", image: "v1" }, admin));
  if (ready.includes(1)) await sessions(hello, "prod", { ready: 1 });
  for (const n of [2, 3, 4]) {
    value(await hello.service().pin("prod", { image: `v${n}` }, deployer));
    if (ready.includes(n)) await sessions(hello, "prod", { ready: 1 });
  }
}

const prod = async (hello: Hello) => value(await hello.service().getEnvironment("prod"));
const protect = async (hello: Hello, settings: object) =>
  value(await hello.service().patchEnvironment("prod", { settings }, admin));

describe("a rollback", () => {
  test("goes back to the digest before, rejects the one that it goes away from, and the next goes further", async ({
    hello,
  }) => {
    await fourDeploys(hello);
    expect(done(await move(hello, "prod", { ...back, note: "it hangs" }))).toMatchObject({
      image: digestNumber(3),
      digest: digestNumber(3),
      revision: 5,
      to_revision: 3,
      rejected: digestNumber(4),
    });
    expect(done(await move(hello, "prod", back)).digest).toBe(digestNumber(2));
    expect(value(await hello.service().rejections("prod"))).toMatchObject([
      { digest: digestNumber(3) },
      { digest: digestNumber(4), note: "it hangs", by: { token_name: "deploy" } },
    ]);
    expect(done(await move(hello, "prod", back)).digest).toBe(digestNumber(1));
    expect(code(await move(hello, "prod", back))).toBe("bad_request");
  });

  test("names a revision, or the last that was verified", async ({ hello }) => {
    await fourDeploys(hello, [1, 2]);
    expect(done(await move(hello, "prod", { ...back, to: 1 })).digest).toBe(digestNumber(1));
    expect(code(await move(hello, "prod", { ...back, to: 99 }))).toBe("bad_request");
    done(await move(hello, "prod", { kind: "pin", image: "v3" }));
    expect(done(await move(hello, "prod", { ...back, to: "verified" })).digest).toBe(digestNumber(1));
    done(await move(hello, "prod", { ...back, to: "verified" }));
    expect((await prod(hello)).digest).toBe(digestNumber(2));
  });

  test("to what runs already rejects nothing", async ({ hello }) => {
    await fourDeploys(hello);
    expect(done(await move(hello, "prod", { ...back, to: 4 }))).toMatchObject({
      digest: digestNumber(4),
      rejected: null,
    });
    expect(value(await hello.service().rejections("prod"))).toEqual([]);
  });

  test("ends the following of a tag, says so, and one command resumes it without what was rejected", async ({
    pinned: hello,
  }) => {
    await hello.push(2, "latest");
    const rolled = done(await move(hello, "default", back));
    expect(rolled).toMatchObject({
      digest: digestNumber(1),
      unfollowed: { tag: "latest", digest: digestNumber(2) },
    });
    await hello.push(3, "latest");
    expect(value(await hello.service().getEnvironment("default"))).toMatchObject({
      image: digestNumber(1),
      unfollowed: { tag: "latest", digest: digestNumber(3) },
    });
    const [newest] = value(await hello.service().history("default", { limit: 1 })).items;
    expect(newest).toMatchObject({ kind: "rollback", unfollowed: "latest" });
    await hello.push(2, "latest");
    expect(value(await hello.service().move("default", { kind: "follow" }, deployer, "plan"))).toMatchObject({
      plan: { after: { image: "latest", digest: digestNumber(1) }, clusters: [] },
    });
    expect(done(await move(hello, "default", { kind: "follow" }))).toMatchObject({
      image: "latest",
      digest: digestNumber(1),
    });
    expect(value(await hello.service().candidates("default"))).toMatchObject([
      { digest: digestNumber(2), tag: "latest", reason: "digest_rejected" },
    ]);
    await hello.push(4, "latest");
    const now = value(await hello.service().getEnvironment("default"));
    expect(now).toMatchObject({ image: "latest", digest: digestNumber(4) });
    expect(now.unfollowed).toBeUndefined();
  });
});

describe("a rejected digest", () => {
  test("comes back by nobody without force, and by a tag not at all", async ({ pinned: hello }) => {
    await hello.push(2, "latest");
    done(await move(hello, "default", back));
    const pin = { kind: "pin", image: digestNumber(2) } as const;
    expect(await move(hello, "default", pin)).toMatchObject({
      ok: false,
      error: { code: "digest_rejected", details: { digest: digestNumber(2), rejected_by: "deploy" } },
    });
    expect(code(await move(hello, "default", { ...back, to: 3 }))).toBe("digest_rejected");
    expect(code(await hello.connect({ spawn: { tag: digestNumber(2) } }))).toBe("digest_rejected");
    expect(code(await hello.connect({ spawn: { tag: digestNumber(2), force: true } }))).toBe("forbidden");
    const forced = await hello
      .service()
      .connectBackend({ spawn: { tag: digestNumber(2), force: true } }, admin);
    expect(forced.ok).toBe(true);
    done(await move(hello, "default", { ...pin, force: true, note: "the fault was elsewhere" }, admin));
  });

  test("is as any other again once that is lifted, with a note", async ({ pinned: hello }) => {
    await hello.push(2, "latest");
    done(await move(hello, "default", back));
    value(await hello.service().liftRejection("default", digestNumber(2), "flaky network", deployer));
    expect(code(await hello.service().liftRejection("default", digestNumber(2), "again", deployer))).toBe(
      "rejection_not_found",
    );
    done(await move(hello, "default", { kind: "pin", image: digestNumber(2) }));
  });
});

describe("at 3 a.m.", () => {
  const frozen = {
    approvals: 1,
    windows: [
      {
        effect: "deny",
        days: ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
        from: "00:00",
        to: "24:00",
        time_zone: "UTC",
      },
    ],
  } as const;

  test("a return to something older that became ready here passes freezes and approvals", async ({
    hello,
  }) => {
    await fourDeploys(hello, [3]);
    await protect(hello, frozen);
    expect(code(await move(hello, "prod", { kind: "pin", image: "v1" }))).toBe("environment_frozen");
    expect(code(await move(hello, "prod", { ...back, to: 1 }))).toBe("environment_frozen");
    done(await move(hello, "prod", back));
    // What is newer is not older, though its revision has the smaller number.
    value(await hello.service().liftRejection("prod", digestNumber(4), "as it was", deployer));
    expect(code(await move(hello, "prod", { ...back, to: 4 }))).toBe("environment_frozen");
  });

  test("not where a setting forbids it, and a stop holds without force", async ({ hello }) => {
    await fourDeploys(hello, [1, 2, 3]);
    await protect(hello, { ...frozen, emergency_rollback: false });
    expect(code(await move(hello, "prod", back))).toBe("environment_frozen");
  });

  test("a stop holds without force", async ({ hello }) => {
    await fourDeploys(hello, [1, 2, 3]);
    value(await hello.service().stop("prod", "the database moves", deployer));
    expect(await move(hello, "prod", back)).toMatchObject({
      ok: false,
      error: { code: "environment_stopped", details: { reason: "the database moves" } },
    });
    done(await move(hello, "prod", { ...back, force: true, note: "worse without" }, admin));
  });
});
