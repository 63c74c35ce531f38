import { describe, expect, vi } from "vitest";
import { test } from "../support/object-test.ts";
import { actor, caller, code, digestNumber, type Hello, value } from "../support/service.ts";

/** The digest that a spawn which begins now is decided to run. */
async function spawnedDigest(hello: Hello, environment?: string): Promise<string> {
  const { backendId } = value(await hello.connect(environment === undefined ? {} : { environment }));
  const live = value(await hello.service().liveBackends());
  return live.find(({ info }) => info.id === backendId)?.info.digest ?? "none";
}

async function pin(hello: Hello, environment: string | undefined, image: string, ifMatch?: number) {
  return hello
    .service()
    .pin(environment, { image }, { ...caller, ...(ifMatch === undefined ? {} : { ifMatch }) });
}

async function addEnvironment(hello: Hello, name: string, image = "latest") {
  return value(await hello.service().createEnvironment({ name, image }, caller));
}

function messageOf(result: { ok: boolean; error?: { message: string } }): string {
  return result.error?.message ?? "";
}

describe("what a spawn runs", () => {
  test("is the most recent `latest` in an environment that was never pinned", async ({ pinned: hello }) => {
    await hello.push(2, "v2");
    expect(await spawnedDigest(hello)).toBe(digestNumber(1));
    await hello.push(3, "latest");
    expect(await spawnedDigest(hello)).toBe(digestNumber(3));
  });

  test("follows a tag from the very next spawn after a push with it", async ({ hello }) => {
    await hello.push(1, "v1");
    value(await pin(hello, "default", "v1"));
    expect(await spawnedDigest(hello)).toBe(digestNumber(1));
    await hello.push(2, "v1");
    await hello.push(3, "latest");
    expect(await spawnedDigest(hello)).toBe(digestNumber(2));
  });

  test("stays what a digest pin says, whatever is pushed after it", async ({ pinned: hello }) => {
    value(await pin(hello, "default", digestNumber(1)));
    await hello.push(2, "latest");
    expect(await spawnedDigest(hello)).toBe(digestNumber(1));
  });

  test("is each environment's own", async ({ hello }) => {
    await hello.push(1, "v1");
    await hello.push(2, "v2");
    await addEnvironment(hello, "staging", "v2");
    await addEnvironment(hello, "prod", "v1");
    value(await pin(hello, "prod", "v1"));
    expect(await spawnedDigest(hello, "staging")).toBe(digestNumber(2));
    expect(await spawnedDigest(hello, "prod")).toBe(digestNumber(1));
  });

  test("does not change when a notification comes after one of the same registry that happened later", async ({
    hello,
  }) => {
    const notify = (n: number, time: string, repository = "a.test/hello") =>
      hello
        .service()
        .recordNotified(
          { digest: digestNumber(n), tag: "latest", repository },
          { id: null, order: Date.parse(time) },
          caller,
        );
    value(await notify(1, "2029-05-01T12:00:00Z"));
    value(await notify(2, "2029-05-01T11:59:59Z"));
    expect(await spawnedDigest(hello)).toBe(digestNumber(1));
    value(await notify(3, "2029-05-01T14:00:01+02:00"));
    expect(await spawnedDigest(hello)).toBe(digestNumber(3));
    value(await notify(4, "2029-05-01T11:00:00Z", "b.test/hello"));
    expect(await spawnedDigest(hello)).toBe(digestNumber(4));
  });

  test("is what arrived last, whenever it says that it was pushed", async ({ hello }) => {
    const record = (n: number, pushed_at?: string) =>
      hello
        .service()
        .recordImage(
          { digest: digestNumber(n), tag: "latest", ...(pushed_at === undefined ? {} : { pushed_at }) },
          caller,
        );
    for (const [i, at] of ["2099-01-01T00:00:00Z", undefined, "2020-01-01T00:00:00Z"].entries()) {
      value(await record(i + 1, at));
      expect(await spawnedDigest(hello)).toBe(digestNumber(i + 1));
    }
  });
});

describe("a pin", () => {
  test("to a tag or a digest that was never pushed is refused, names the nearest tags and changes nothing", async ({
    hello,
  }) => {
    await hello.push(1, "v1.0.1");
    await hello.push(2, "v1.0.2");
    await hello.push(3, "nightly");
    value(await pin(hello, "default", "v1.0.1"));
    const refused = await pin(hello, "default", "v1.0.3");
    expect(code(refused)).toBe("image_not_found");
    expect(refused.ok ? [] : refused.error.details?.nearest_tags).toEqual(["v1.0.2", "v1.0.1", "nightly"]);
    expect(code(await pin(hello, "default", digestNumber(9)))).toBe("image_not_found");
    expect(code(await pin(hello, "default", "sha256:short"))).toBe("bad_request");
    expect(value(await hello.service().getEnvironment("default"))).toMatchObject({
      image: "v1.0.1",
      revision: 2,
    });
    expect(value(await hello.service().history("default", { limit: 50 })).items).toHaveLength(2);
  });

  test("of an environment that does not exist is refused with those that do", async ({ hello }) => {
    await hello.push(1, "v1");
    await addEnvironment(hello, "prod", "v1");
    const refused = await pin(hello, "prdo", "v1");
    expect(code(refused)).toBe("environment_not_found");
    expect(messageOf(refused)).toContain("`default`, `prod`");
  });

  test("counts revisions from 1 without a gap, also when it pins the same image again", async ({ hello }) => {
    await hello.push(1, "v1");
    for (const revision of [2, 3, 4]) {
      expect(value(await pin(hello, "default", "v1"))).toMatchObject({
        environment: "default",
        image: "v1",
        digest: digestNumber(1),
        revision,
        previous: { revision: revision - 1 },
      });
    }
  });

  test("under another If-Match is refused with the current revision, and goes through under that one", async ({
    hello,
  }) => {
    await hello.push(1, "v1");
    value(await pin(hello, "default", "v1", 1));
    const refused = await pin(hello, "default", "v1", 1);
    expect(refused.ok ? null : refused.error).toMatchObject({
      code: "revision_conflict",
      details: { revision: 2, image: "v1" },
    });
    expect(value(await pin(hello, "default", "v1", 2)).revision).toBe(3);
  });

  test("is not the only change that If-Match makes conditional: settings and deletion are, too", async ({
    hello,
  }) => {
    await addEnvironment(hello, "prod");
    const settings = { max_idle_seconds: 0 };
    expect(
      code(await hello.service().patchEnvironment("prod", { settings }, { ...caller, ifMatch: 2 })),
    ).toBe("revision_conflict");
    expect(value(await hello.service().getEnvironment("prod")).settings.max_idle_seconds).toBe(300);
    value(await hello.service().patchEnvironment("prod", { settings }, { ...caller, ifMatch: 1 }));
    expect(value(await hello.service().getEnvironment("prod")).settings.max_idle_seconds).toBe(0);
    expect(code(await hello.service().deleteEnvironment("prod", { ...caller, ifMatch: 2 }))).toBe(
      "revision_conflict",
    );
    value(await hello.service().deleteEnvironment("prod", { ...caller, ifMatch: 1 }));
  });

  test("of two at once under the same If-Match is made once", async ({ hello }) => {
    await hello.push(1, "v1");
    const results = await Promise.all([
      pin(hello, "default", "v1", 1),
      pin(hello, "default", digestNumber(1), 1),
    ]);
    expect(results.map((result) => (result.ok ? result.value.revision : result.error.code)).sort()).toEqual([
      2,
      "revision_conflict",
    ]);
  });

  test("by a token of other environments is refused", async ({ hello }) => {
    await hello.push(1, "v1");
    const narrowed = { ...caller, actor: { ...actor, environments: ["staging"] } };
    const refused = await hello.service().pin(undefined, { image: "v1" }, narrowed);
    expect(code(refused)).toBe("forbidden");
  });
});

describe("the history of an environment", () => {
  test("shows what each revision pinned and resolved to then, who did it, when and why", async ({
    hello,
  }) => {
    await hello.push(1, "v1");
    vi.setSystemTime("2030-01-02T03:04:05Z");
    const by = { ...caller, actor: { tokenId: "anothertoken", tokenName: "ci" } };
    value(await hello.service().pin("default", { image: "v1", note: "release" }, by));
    await hello.push(2, "v1");
    expect(value(await hello.service().history("default", { limit: 50 })).items).toEqual([
      {
        revision: 3,
        image: "v1",
        digest: digestNumber(2),
        kind: "push",
        by: { token_id: actor.tokenId, token_name: actor.tokenName },
        at: "2030-01-02T03:04:05.000Z",
        returnable: true,
      },
      {
        revision: 2,
        image: "v1",
        digest: digestNumber(1),
        kind: "pin",
        by: { token_id: "anothertoken", token_name: "ci" },
        at: "2030-01-02T03:04:05.000Z",
        note: "release",
        returnable: true,
      },
      {
        revision: 1,
        image: "latest",
        digest: null,
        kind: "create",
        by: { token_id: actor.tokenId, token_name: actor.tokenName },
        at: "2030-01-01T00:00:00.000Z",
        returnable: false,
      },
    ]);
  });

  test("is read page by page, newest first", async ({ hello }) => {
    await hello.push(1, "v1");
    for (let i = 0; i < 4; i++) value(await pin(hello, "default", "v1"));
    const first = value(await hello.service().history("default", { limit: 2 }));
    const second = value(
      await hello.service().history("default", { limit: 2, cursor: first.next ?? "none" }),
    );
    const third = value(
      await hello.service().history("default", { limit: 2, cursor: second.next ?? "none" }),
    );
    const revisions = [first, second, third].map(({ items }) => items.map(({ revision }) => revision));
    expect(revisions).toEqual([[5, 4], [3, 2], [1]]);
    expect(third.next).toBeNull();
    expect(code(await hello.service().history("default", { limit: 2, cursor: "x" }))).toBe("bad_request");
  });
});

describe("a service with several environments", () => {
  test("refuses a spawn and a pin that name none, and lists them", async ({ pinned: hello }) => {
    await addEnvironment(hello, "prod");
    for (const refused of [await hello.connect(), await pin(hello, undefined, "latest")]) {
      expect(code(refused)).toBe("environment_required");
      expect(refused.ok ? [] : refused.error.details?.environments).toEqual(["default", "prod"]);
    }
    expect(value(await hello.service().liveBackends())).toEqual([]);
  });

  test("uses its default environment where it has been given one", async ({ pinned: hello }) => {
    await addEnvironment(hello, "prod");
    value(await hello.service().patch({ default_environment: "prod" }, caller));
    expect(value(await hello.connect()).environment).toBe("prod");
    expect(value(await pin(hello, undefined, "latest")).environment).toBe("prod");
    expect(code(await hello.service().patch({ default_environment: "prdo" }, caller))).toBe(
      "environment_not_found",
    );
  });
});
