import { runInDurableObject } from "cloudflare:test";
import { describe, expect } from "vitest";
import { pushesKept, returnableDigestsKept } from "../../../src/domain/limits.ts";
import type { AdmittedPush } from "../../../src/objects/contract.ts";
import { evict } from "../../support/worker/clock.ts";
import { metered } from "../support/cost.ts";
import { addBackends } from "../support/many-backends.ts";
import { test } from "../support/object-test.ts";
import { caller, digestNumber, type Hello, value } from "../support/service.ts";

const environments = 400;
const images = 3_000;
const manyTags = 2_000;
const liveBackends = 1_000;
/** Pushes of `latest`, which all environments follow: more of them than keep their images. */
const moves = returnableDigestsKept + 5;
/** What nothing but the length of its answer may go over. */
const fewRows = 300;

const digest = "'sha256:' || printf('%064x', i)";

/** A service with many of everything, each environment with as many revisions as protect something, and more. */
async function grow(hello: Hello): Promise<void> {
  await addBackends(hello, liveBackends);
  await runInDurableObject(hello.service(), (_, { storage }) => {
    const run = (from: number, to: number, sql: string) =>
      storage.sql
        .exec(`WITH RECURSIVE n (i) AS (SELECT ${from} UNION ALL SELECT i + 1 FROM n WHERE i < ${to}) ${sql}`)
        .toArray();
    run(
      2,
      environments,
      `INSERT INTO environments (seq, name, settings, image, revision, created_at, digest, last_spawned_at)
       SELECT i, 'e' || i, settings, 'latest', 0, created_at, digest, created_at + i FROM n, environments WHERE seq = 1`,
    );
    run(
      100,
      99 + images,
      `INSERT INTO images (seq, digest, pushed_at, push) SELECT 10 + i, ${digest}, i, 10 + i FROM n`,
    );
    run(100, 99 + images, `INSERT INTO tags (tag, digest) SELECT 't' || i, ${digest} FROM n`);
    run(
      100 + images - pushesKept,
      99 + images,
      `INSERT INTO pushes (seq, digest, tag, pushed_at) SELECT 10 + i, ${digest}, 't' || i, i FROM n`,
    );
    run(1, manyTags, `INSERT INTO tags (tag, digest) SELECT 'many' || i, '${digestNumber(2600)}' FROM n`);
    run(
      1,
      moves,
      `INSERT INTO revisions (environment, revision, image, digest, kind, token_id, token_name, at)
       SELECT seq, i, 'latest', 'sha256:' || printf('%064x', 99 + i), iif(i = 1, 'create', 'push'), '', '', i
       FROM n, environments WHERE seq > 1 ORDER BY i`,
    );
    storage.sql.exec(
      "UPDATE environments SET revision = ?, digest = ? WHERE seq > 1",
      moves,
      digestNumber(99 + moves),
    );
    // Copies of one backend, in many environments.
    storage.sql.exec(
      "UPDATE backends SET environment = 'e' || (2 + fencing_token % ?) WHERE fencing_token > 1000",
      environments - 1,
    );
  });
  await evict(hello.service());
}

const push: AdmittedPush = { digest: digestNumber(9), tags: ["new"], artifactType: null };
const page = { limit: 20 };

/** Every question and change of environments, pins and images, and what it may read for the length of its answer. */
const calls: Record<string, { call(hello: Hello): Promise<{ ok: boolean }>; rows?: number; fails?: string }> =
  {
    "a description": { call: (hello) => hello.service().describe() },
    "a description for one who may see little": { call: (hello) => hello.service().describe(["e7", "e8"]) },
    // Each environment has its latest pins, and tags of what it runs.
    "an overview": { call: (hello) => hello.service().overview(undefined, page), rows: 20 * (20 + 5) },
    "the last page of an overview": {
      call: (hello) => hello.service().overview(undefined, { ...page, cursor: String(environments - 5) }),
    },
    "a list of environments": { call: (hello) => hello.service().listEnvironments(page) },
    "an environment": { call: (hello) => hello.service().getEnvironment("e300") },
    "an environment that is not there": {
      call: (hello) => hello.service().getEnvironment("e3000"),
      fails: "environment_not_found",
    },
    "a history": { call: (hello) => hello.service().history("e300", page) },
    "a change of an environment": {
      call: (hello) =>
        hello.service().patchEnvironment("e300", { settings: { max_idle_seconds: 5 } }, caller),
    },
    "a new environment": {
      call: (hello) => hello.service().createEnvironment({ name: "new", image: "latest" }, caller),
    },
    "the deletion of an environment": {
      call: async (hello) => {
        value(await hello.service().createEnvironment({ name: "gone", image: "latest" }, caller));
        return hello.service().deleteEnvironment("gone", caller);
      },
    },
    "a pin without a name": {
      call: (hello) => hello.service().pin(undefined, { image: "latest" }, caller),
      fails: "environment_required",
    },
    "a default environment": {
      call: (hello) => hello.service().patch({ default_environment: "e5" }, caller),
    },
    "a pin to a tag": { call: (hello) => hello.service().pin("e300", { image: "t2500" }, caller) },
    "a pin to a digest": {
      call: (hello) => hello.service().pin("e300", { image: digestNumber(2500) }, caller),
    },
    "a pin to a tag with a typo": {
      call: (hello) => hello.service().pin("e300", { image: "t25000" }, caller),
      fails: "image_not_found",
    },
    "a push of a new tag": {
      call: (hello) => hello.service().recordImage({ digest: digestNumber(9), tag: "new" }, caller),
    },
    "a push of a tag that moves": {
      call: (hello) => hello.service().recordImage({ digest: digestNumber(9), tag: "t2500" }, caller),
    },
    "a push that the registry asks about": { call: (hello) => hello.service().admitPush(push) },
    "the end of a tag": { call: (hello) => hello.service().forgetTag("t2500", digestNumber(2500)) },
    // Each image has its tags.
    "a list of images": {
      call: (hello) => hello.service().listImages({ limit: 100 }, caller),
      rows: 1 + 100 * 3,
    },
    "recent images": { call: (hello) => hello.service().recentImages(caller) },
    "an image": { call: (hello) => hello.service().getImage(digestNumber(2500), caller) },
    "an image with many tags": { call: (hello) => hello.service().getImage(digestNumber(2600), caller) },
    "a push of one more tag of it": {
      call: (hello) => hello.service().recordImage({ digest: digestNumber(2600), tag: "more" }, caller),
    },
    "an image that many environments resolve to": {
      call: (hello) => hello.service().getImage(digestNumber(99 + moves), caller),
    },
    "the deletion of an image": { call: (hello) => hello.service().deleteImage(digestNumber(2700), caller) },
    "the deletion of an image that all environments have left behind": {
      call: (hello) => hello.service().deleteImage(digestNumber(102), caller),
    },
    "the deletion of an image that all environments can return to": {
      call: (hello) => hello.service().deleteImage(digestNumber(95 + moves), caller),
      fails: "image_in_use",
    },
    "the deletion of an image that all environments resolve to": {
      call: (hello) => hello.service().deleteImage(digestNumber(99 + moves), caller),
      fails: "image_in_use",
    },
  };

describe("with many environments, images, tags, revisions and backends", () => {
  test("each call reads no more rows than its answer is long", async ({ pinned: hello, cluster }) => {
    await grow(hello);
    // The first look of an object that has awoken reads what memory keeps.
    value(await hello.service().describe());
    const meter = await metered(hello.service());
    for (const [what, { call, rows = fewRows, fails }] of Object.entries(calls)) {
      await meter.letPass(60_000, () => cluster.quiet());
      meter.reset();
      const answer = await call(hello);
      await Promise.resolve();
      const { read } = meter.cost;
      const code = answer.ok ? undefined : JSON.stringify(answer);
      if (fails === undefined) expect.soft(code, what).toBe(undefined);
      else expect.soft(code, what).toContain(fails);
      expect.soft(read, what).toBeLessThanOrEqual(rows);
    }
  });
});
