import { describe, expect, vi } from "vitest";
import type { RecordImageBody } from "../../../src/protocol/v3/images.ts";
import { metered } from "../support/cost.ts";
import { test } from "../support/object-test.ts";
import { limit, usedBy } from "../support/quotas.ts";
import { actor, caller, code, digestNumber, type Hello, registryHost, value } from "../support/service.ts";

const helm = "application/vnd.cncf.helm.config.v1+json";
const media_type = "application/vnd.oci.image.manifest.v1+json";

/** As the Registry object announces an artifact. */
function pushArtifact(hello: Hello, n: number, tag: string) {
  const body = { digest: digestNumber(n), tag, media_type, artifact_type: helm };
  return hello.service().recordImage(body, { origin: "registry", actor, registryHost });
}

function pushOwn(hello: Hello, n: number, tag: string) {
  const body = { digest: digestNumber(n), tag, media_type };
  return hello.service().recordImage(body, { origin: "registry", actor, registryHost });
}

const record = (hello: Hello, n: number, more: Partial<RecordImageBody> = {}) =>
  hello.service().recordImage({ digest: digestNumber(n), ...more }, caller);
const pin = (hello: Hello, image: string) => hello.service().pin("default", { image }, caller);
const resolve = async (hello: Hello, query: { tag?: string; key?: string } = {}) =>
  value(await hello.service().resolve("default", query));
const environment = async (hello: Hello) => value(await hello.service().getEnvironment("default"));
const listed = async (hello: Hello) =>
  value(await hello.service().listImages({ limit: 50 }, caller)).items.map(({ digest }) => digest);

/** Of the backend that a spawn starts. */
async function spawned(hello: Hello, tag?: string): Promise<string> {
  const { backendId } = value(await hello.connect({ spawn: tag === undefined ? {} : { tag } }));
  return value(await hello.service().getBackend(backendId)).image.digest;
}

const notRunnable = (n: number) => ({
  ok: false,
  error: {
    code: "image_not_runnable",
    message: expect.stringContaining(helm),
    details: { digest: digestNumber(n), artifact_type: helm, media_type },
  },
});

describe("an artifact that is pushed to a tag", () => {
  test("leaves what follows the tag on the last image, and is no revision of it", async ({
    pinned: hello,
  }) => {
    const before = await environment(hello);
    value(await pushArtifact(hello, 2, "latest"));
    expect(await environment(hello)).toEqual(before);
    expect(await spawned(hello)).toBe(digestNumber(1));
    expect(await spawned(hello, "latest")).toBe(digestNumber(1));
    expect(value(await pin(hello, "latest")).digest).toBe(digestNumber(1));
    value(await hello.service().createEnvironment({ name: "prod", image: "latest" }, caller));
    expect(value(await hello.service().getEnvironment("prod")).digest).toBe(digestNumber(1));
  });

  test("is what resolving says beside the image that runs, until an image is pushed again", async ({
    pinned: hello,
  }) => {
    expect(await resolve(hello)).not.toHaveProperty("artifact");
    value(await pushArtifact(hello, 2, "latest"));
    const artifact = { digest: digestNumber(2), artifact_type: helm, media_type };
    const runs = { action: "spawn", image: "latest", digest: digestNumber(1), artifact };
    expect(await resolve(hello)).toMatchObject(runs);
    expect(await resolve(hello, { tag: "latest" })).toMatchObject(runs);
    expect(await resolve(hello, { tag: digestNumber(1) })).not.toHaveProperty("artifact");
    value(await hello.connect({ key: "doc" }));
    expect(await resolve(hello, { key: "doc" })).not.toHaveProperty("artifact");
    await hello.push(3, "latest");
    expect(await resolve(hello)).toMatchObject({ action: "spawn", digest: digestNumber(3) });
    expect(await resolve(hello)).not.toHaveProperty("artifact");
  });

  test("is refused as what it is where nothing but artifacts has the tag", async ({ pinned: hello }) => {
    value(await pushArtifact(hello, 2, "chart"));
    const before = await environment(hello);
    for (const image of ["chart", digestNumber(2)]) {
      expect(await pin(hello, image)).toMatchObject(notRunnable(2));
      expect(await hello.connect({ spawn: { tag: image } })).toMatchObject(notRunnable(2));
      expect(await hello.service().createEnvironment({ name: "e", image }, caller)).toMatchObject(
        notRunnable(2),
      );
      expect(await resolve(hello, { tag: image })).toMatchObject({
        action: "refuse",
        digest: null,
        artifact: { digest: digestNumber(2), artifact_type: helm },
        refusals: [{ code: "image_not_runnable" }],
      });
    }
    expect(await environment(hello)).toEqual(before);
  });

  test("refuses the spawns of an environment whose tag has no image yet, until it has one", async ({
    hello,
  }) => {
    value(await pushArtifact(hello, 2, "latest"));
    expect(await environment(hello)).toMatchObject({ digest: null, revision: 1 });
    expect(await hello.connect()).toMatchObject(notRunnable(2));
    await hello.push(3, "latest");
    expect(await environment(hello)).toMatchObject({ digest: digestNumber(3), revision: 2 });
    expect(await spawned(hello)).toBe(digestNumber(3));
  });

  test("is in no list of images, and is found by its digest, with its tags", async ({ pinned: hello }) => {
    for (const tag of ["sig", "att"]) value(await pushArtifact(hello, 2, tag));
    expect(await listed(hello)).toEqual([digestNumber(1)]);
    const recent = value(await hello.service().recentImages(caller));
    expect(recent.map(({ digest }) => digest)).toEqual([digestNumber(1)]);
    expect(value(await hello.service().getImage(digestNumber(2), caller))).toMatchObject({
      artifact_type: helm,
      media_type,
      tags: ["att", "sig"],
      tags_total: 2,
      environments: [],
    });
    const image = value(await hello.service().getImage(digestNumber(1), caller));
    expect(image).not.toHaveProperty("artifact_type");
    const refused = await pin(hello, "nothing");
    expect(refused.ok ? null : refused.error.details?.nearest_tags).toEqual(["latest"]);
  });

  test("is an event that says what it is", async ({ pinned: hello }) => {
    value(await pushArtifact(hello, 2, "chart"));
    await vi.waitFor(async () => {
      const { items } = value(await hello.accountObject.listEvents({ limit: 9, type: "image.recorded" }));
      expect(items).toContainEqual(
        expect.objectContaining({
          details: { digest: digestNumber(2), tag: "chart", artifact_type: helm },
          message: expect.stringContaining("recorded artifact"),
        }),
      );
    });
  });

  test("takes no more of the account's quotas than an image, and gives it back", async ({
    pinned: hello,
  }) => {
    const before = await usedBy(hello);
    value(await pushArtifact(hello, 2, "sig"));
    expect(await usedBy(hello)).toMatchObject({ images: before.images + 1, tags: before.tags + 1 });
    value(await pushArtifact(hello, 2, "sig"));
    expect(await usedBy(hello)).toMatchObject({ images: before.images + 1, tags: before.tags + 1 });
    await limit(hello, "tags", before.tags + 1);
    const admitted = await hello
      .service()
      .admitPush({ digest: digestNumber(2), tags: ["att"], artifactType: helm });
    expect(code(admitted)).toBe("quota_exceeded");
    value(await hello.service().deleteImage(digestNumber(2), caller));
    await vi.waitFor(async () => expect(await usedBy(hello)).toMatchObject(before));
    expect(code(await pin(hello, "sig"))).toBe("image_not_found");
  });

  test("writes fewer rows than an image, and costs a spawn none", async ({ pinned: hello }) => {
    const meter = await metered(hello.service());
    /** The rows that the service's own tables take. */
    const cost = async (act: () => Promise<unknown>) => {
      await act();
      meter.reset();
      await act();
      const { "DELETE FROM event_outbox": _, ...rows } = meter.cost.rows;
      return Object.values(rows).reduce((sum, count) => sum + count, 0);
    };
    const spawn = async () => value(await hello.connect({ spawn: { tag: "latest" } }));
    const ofSpawn = await cost(spawn);
    let n = 2;
    const ofImage = await cost(async () => value(await pushOwn(hello, n, `v${n++}`)));
    const ofArtifact = await cost(async () => value(await pushArtifact(hello, n, `v${n++}`)));
    expect(ofArtifact).toBeLessThan(ofImage);
    value(await pushArtifact(hello, n, "latest"));
    expect(await cost(spawn)).toBe(ofSpawn);
  });
});

describe("what is recorded by its digest", () => {
  test("is an image unless it says otherwise", async ({ hello }) => {
    value(await record(hello, 1, { tag: "v1" }));
    value(await record(hello, 2, { tag: "v2", media_type }));
    value(await record(hello, 3, { tag: "v3", media_type: helm }));
    value(await record(hello, 4, { artifact_type: helm }));
    expect(await listed(hello)).toEqual([2, 1].map(digestNumber));
    expect(code(await pin(hello, "v3"))).toBe("image_not_runnable");
    expect(code(await pin(hello, digestNumber(4)))).toBe("image_not_runnable");
  });

  test("answers with what it is", async ({ hello }) => {
    const answer = value(await record(hello, 3, { tag: "v3", media_type, artifact_type: helm }));
    expect(answer).toMatchObject({ tags: ["v3"], tags_total: 1, artifact_type: helm });
  });

  test("goes on being what the registry knows it to be, where nothing is said of it", async ({ hello }) => {
    value(await pushArtifact(hello, 2, "chart"));
    value(await record(hello, 2, { tag: "latest" }));
    expect(code(await pin(hello, "latest"))).toBe("image_not_runnable");
    value(await pushOwn(hello, 2, "v2"));
    expect(value(await pin(hello, "v2")).digest).toBe(digestNumber(2));
  });

  test("as an image that turns out to be none leaves what runs it, and can be pinned no more", async ({
    pinned: hello,
  }) => {
    value(await record(hello, 1, { tag: "other" }));
    value(await pushArtifact(hello, 1, "latest"));
    expect(await environment(hello)).toMatchObject({ digest: digestNumber(1), revision: 2 });
    expect(await listed(hello)).toEqual([]);
    for (const image of ["latest", "other", digestNumber(1)]) {
      expect(await pin(hello, image)).toMatchObject(notRunnable(1));
    }
    expect(code(await hello.service().deleteImage(digestNumber(1), caller))).toBe("image_in_use");
  });
});

describe("notifications of a tag in another order than they happened", () => {
  const at = (second: number) => Date.parse("2029-05-01T12:00:00Z") + second * 1000;
  const notify = async (hello: Hello, n: number, second: number, more: Partial<RecordImageBody> = {}) =>
    value(
      await hello
        .service()
        .recordNotified(
          { digest: digestNumber(n), tag: "latest", repository: "a.test/hello", ...more },
          { id: null, order: at(second) },
          caller,
        ),
    );

  test("leave the latest image as what the tag means, and the latest push as what resolving says", async ({
    hello,
  }) => {
    await notify(hello, 1, 1);
    await notify(hello, 3, 3, { artifact_type: helm });
    await notify(hello, 2, 2);
    expect(await resolve(hello)).toMatchObject({
      digest: digestNumber(2),
      artifact: { digest: digestNumber(3) },
    });
    await notify(hello, 4, 1, { artifact_type: helm });
    expect(await resolve(hello)).toMatchObject({ artifact: { digest: digestNumber(3) } });
    await notify(hello, 5, 5);
    await notify(hello, 6, 4, { artifact_type: helm });
    expect(await resolve(hello)).toMatchObject({ digest: digestNumber(5) });
    expect(await resolve(hello)).not.toHaveProperty("artifact");
  });
});

describe("an artifact's tag that is deleted in the registry", () => {
  test("goes on being the image's for the environments that follow it", async ({ hello }) => {
    value(await pushOwn(hello, 1, "latest"));
    value(await pushArtifact(hello, 2, "latest"));
    value(await hello.service().forgetTag("latest", digestNumber(2)));
    expect(await resolve(hello)).toMatchObject({ action: "spawn", digest: digestNumber(1) });
    expect(await resolve(hello)).not.toHaveProperty("artifact");
    expect(value(await pin(hello, "latest")).digest).toBe(digestNumber(1));
    expect(code(await hello.service().deleteImage(digestNumber(1), caller, "own_registry"))).toBe(
      "image_in_use",
    );
  });

  test.for(["its tag", "it"])(
    "is gone where nothing follows it, whether %s is deleted",
    async (what, { pinned: hello }) => {
      value(await pushOwn(hello, 2, "v2"));
      value(await pushArtifact(hello, 3, "v2"));
      const deleted =
        what === "it"
          ? await hello.service().deleteImage(digestNumber(3), caller, "own_registry")
          : await hello.service().forgetTag("v2", digestNumber(3));
      value(deleted);
      expect(code(await pin(hello, "v2"))).toBe("image_not_found");
      expect(value(await pin(hello, digestNumber(2))).digest).toBe(digestNumber(2));
    },
  );

  test("stays with an image of another registry, and with what was recorded since", async ({
    pinned: hello,
  }) => {
    value(await record(hello, 2, { tag: "v2", repository: "ghcr.io/acme/hello" }));
    value(await pushArtifact(hello, 3, "v2"));
    value(await hello.service().forgetTag("v2", digestNumber(9)));
    expect(await resolve(hello, { tag: "v2" })).toMatchObject({ artifact: { digest: digestNumber(3) } });
    value(await hello.service().forgetTag("v2", digestNumber(3)));
    expect(value(await pin(hello, "v2")).digest).toBe(digestNumber(2));
  });

  test("may be followed by an environment that runs nothing yet", async ({ hello }) => {
    value(await pushArtifact(hello, 2, "latest"));
    value(await hello.service().forgetTag("latest", digestNumber(2)));
    expect(code(await hello.connect())).toBe("image_not_found");
  });
});
