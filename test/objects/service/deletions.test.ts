import { describe, expect } from "vitest";
import { returnableDigestsKept } from "../../../src/domain/limits.ts";
import { evict } from "../../support/worker/clock.ts";
import { test } from "../support/object-test.ts";
import { caller, code, digestNumber, type Hello, value } from "../support/service.ts";

async function pin(hello: Hello, environment: string | undefined, image: string, ifMatch?: number) {
  return hello
    .service()
    .pin(environment, { image }, { ...caller, ...(ifMatch === undefined ? {} : { ifMatch }) });
}

async function addEnvironment(hello: Hello, name: string, image = "latest") {
  return value(await hello.service().createEnvironment({ name, image }, caller));
}

async function end(hello: Hello, backendId: string): Promise<void> {
  const live = value(await hello.service().liveBackends());
  const token = live.find(({ info }) => info.id === backendId)?.info.fencingToken ?? 0;
  expect(value(await hello.report(backendId, token, "terminated")).accepted).toBe(true);
}

function messageOf(result: { ok: boolean; error?: { message: string } }): string {
  return result.error?.message ?? "";
}

describe("deleting an image", () => {
  test("is refused while an environment resolves to it, be it by digest or by tag", async ({
    pinned: hello,
  }) => {
    await hello.push(2, "v2");
    await addEnvironment(hello, "prod", digestNumber(2));
    expect(code(await hello.service().deleteImage(digestNumber(1), caller))).toBe("image_in_use");
    expect(code(await hello.service().deleteImage(digestNumber(2), caller))).toBe("image_in_use");
    // That push is a revision too: what ran before it stays as long as it can be returned to.
    for (let n = 3; n < 3 + returnableDigestsKept; n++) {
      expect(code(await hello.service().deleteImage(digestNumber(1), caller))).toBe("image_in_use");
      await hello.push(n, "latest");
    }
    value(await hello.service().deleteImage(digestNumber(1), caller));
    expect(code(await pin(hello, "default", digestNumber(1)))).toBe("image_not_found");
    expect(code(await hello.service().deleteImage(digestNumber(1), caller))).toBe("image_not_found");
  });

  test("is refused while it is one of the last 20 distinct digests, however many revisions there were, and not after", async ({
    hello,
  }) => {
    await hello.push(1, "v1");
    await hello.push(2, "v2");
    value(await pin(hello, "default", digestNumber(1)));
    for (let revision = 3; revision <= 41; revision++) value(await pin(hello, "default", "v2"));
    const refused = await hello.service().deleteImage(digestNumber(1), caller);
    expect(code(refused)).toBe("image_in_use");
    expect(messageOf(refused)).toContain("revision 2 of environment `default`");
    for (let n = 3; n <= 1 + returnableDigestsKept; n++) {
      expect(code(await hello.service().deleteImage(digestNumber(1), caller))).toBe("image_in_use");
      await hello.push(n, `v${n}`);
      value(await pin(hello, "default", `v${n}`));
    }
    value(await hello.service().deleteImage(digestNumber(1), caller));
  });

  test("is refused of what one of the last 20 pins resolved to, however many pushes came after it", async ({
    pinned: hello,
  }) => {
    await hello.push(2, "v2");
    value(await pin(hello, "default", "v2"));
    value(await pin(hello, "default", "latest"));
    for (let n = 3; n < 3 + 2 * returnableDigestsKept; n++) await hello.push(n, "latest");
    expect(messageOf(await hello.service().deleteImage(digestNumber(2), caller))).toContain("revision 3 of");
    value(await hello.service().deleteImage(digestNumber(3), caller));
  });

  test("is refused while a live backend runs it, and not after its end", async ({ pinned: hello }) => {
    await hello.push(2, "other");
    const { backendId } = value(await hello.connect({ spawn: { tag: "other" } }));
    expect(value(await hello.service().getImage(digestNumber(2), caller))).toMatchObject({
      environments: [],
      live_backends: [backendId],
    });
    expect(code(await hello.service().deleteImage(digestNumber(2), caller))).toBe("image_in_use");
    await end(hello, backendId);
    value(await hello.service().deleteImage(digestNumber(2), caller));
    expect(value(await hello.service().listImages({ limit: 50 }, caller)).items).toHaveLength(1);
  });
});

describe("deleting an environment", () => {
  test("is refused while it has live backends, and for the only one that there is", async ({
    pinned: hello,
  }) => {
    expect(code(await hello.service().deleteEnvironment("default", caller))).toBe("environment_in_use");
    await addEnvironment(hello, "prod");
    value(await hello.service().patch({ default_environment: "prod" }, caller));
    const { backendId } = value(await hello.connect());
    expect(code(await hello.service().deleteEnvironment("prod", caller))).toBe("environment_in_use");
    await end(hello, backendId);
    value(await hello.service().deleteEnvironment("prod", caller));
    expect(code(await hello.service().getEnvironment("prod"))).toBe("environment_not_found");
    expect(value(await hello.service().describe()).defaultEnvironment).toBeNull();
  });

  test("leaves nothing of it to one that is created later under its name", async ({ pinned: hello }) => {
    await addEnvironment(hello, "prod", digestNumber(1));
    value(await pin(hello, "prod", "latest"));
    const { backendId } = value(await hello.connect({ environment: "prod" }));
    await end(hello, backendId);
    value(await hello.service().deleteEnvironment("prod", caller));
    const anew = await addEnvironment(hello, "prod");
    expect(anew).toMatchObject({ image: "latest", revision: 3, last_spawned_at: null });
    expect(value(await hello.service().history("prod", { limit: 50 })).items).toHaveLength(1);
    expect(value(await hello.service().getEnvironment("prod")).last_spawned_at).toBeNull();
  });
});

describe("a service that is deleted and created again", () => {
  test("starts anew, keeps its code, and its fencing tokens go on increasing", async ({ hello, cluster }) => {
    await hello.push(1, "v1");
    value(await pin(hello, "default", "v1"));
    const before = value(await hello.connect({ key: "doc" }));
    const [old] = value(await hello.service().liveBackends());
    value(await hello.accountObject.deleteService("hello", caller));
    expect(code(await hello.connect())).toBe("service_not_found");
    expect(code(await hello.service().describe())).toBe("service_not_found");
    await cluster.settledOf("backend.terminate", 1);
    value(await hello.report(before.backendId, old?.info.fencingToken ?? 0, "terminated"));
    await evict(hello.service());

    value(await hello.accountObject.createService({ name: "hello" }, caller));
    expect(value(await hello.service().describe())).toMatchObject({
      lastSpawnedAt: null,
      lastImageDigest: null,
      environments: [{ name: "default", image: "latest", revision: 3, digest: null }],
    });
    expect(value(await hello.service().listImages({ limit: 50 }, caller)).items).toEqual([]);
    await hello.push(2, "latest");
    const after = value(await hello.connect({ key: "doc" }));
    expect(after.spawned).toBe(true);
    expect(after.backendId.slice(0, 5)).toBe(before.backendId.slice(0, 5));
    const [live] = value(await hello.service().liveBackends());
    expect(live?.info.fencingToken).toBeGreaterThan(old?.info.fencingToken ?? Number.POSITIVE_INFINITY);
  });

  test("does not hand out a key that a backend of its former life still holds", async ({ pinned: hello }) => {
    const before = value(await hello.connect({ key: "doc" }));
    value(await hello.accountObject.deleteService("hello", caller));
    value(await hello.accountObject.createService({ name: "hello" }, caller));
    await hello.push(1, "latest");
    const waiting = hello.connect({ key: "doc" });
    value(await hello.report(before.backendId, 1, "terminated"));
    const after = value(await waiting);
    expect(after.spawned).toBe(true);
    expect(after.backendId).not.toBe(before.backendId);
  });
});
