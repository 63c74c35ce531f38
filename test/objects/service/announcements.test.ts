import { runInDurableObject } from "cloudflare:test";
import fc from "fast-check";
import { describe, expect, vi } from "vitest";
import { pinnedRetryForMs } from "../../../src/domain/limits.ts";
import { Announcements } from "../../../src/objects/service/pins/announcements.ts";
import { kill, passTime, passTimeRunning } from "../../support/worker/clock.ts";
import type { ScriptedCluster } from "../../support/worker/scripted-cluster.ts";
import { test } from "../support/object-test.ts";
import { pendingWebhooks } from "../support/pending-webhooks.ts";
import { caller, digestNumber, type Hello, setUpPinned, value } from "../support/service.ts";

const soon = { timeout: 5_000, interval: 5 };

/** A service with the images `latest`, `v2` and `v3`, of which what stands on the first was announced long ago. */
async function withImages(cluster: ScriptedCluster): Promise<Hello> {
  const hello = await setUpPinned();
  for (const n of [2, 3]) await hello.push(n, `v${n}`);
  await cluster.settledOf("image.pinned", 1);
  await passTimeRunning(hello.service(), 60_000);
  return hello;
}

const pin = async (hello: Hello, image: string) =>
  value(await hello.service().pin("default", { image }, caller));

/** What was announced since the first: revisions, with the ids that they had. */
function announced(cluster: ScriptedCluster): [revision: number, id: string][] {
  return cluster
    .of("image.pinned")
    .slice(1)
    .flatMap(({ headers, message }) =>
      message.type === "image.pinned" ? [[message.data.revision, headers["webhook-id"] ?? ""] as const] : [],
    )
    .map(([revision, id]) => [revision, id]);
}

const revisions = (cluster: ScriptedCluster) => announced(cluster).map(([revision]) => revision);

/** Has the cluster answer nothing until it is released. */
function holdAnswers(cluster: ScriptedCluster): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  cluster.always(() => promise.then(() => Response.json({})));
  return () => {
    cluster.always(() => Response.json({}));
    resolve();
  };
}

describe("an environment that is moved again", () => {
  test("while it is announced is announced once more, as it is then", async ({ cluster }) => {
    const hello = await withImages(cluster);
    const release = holdAnswers(cluster);
    await pin(hello, "v2");
    await vi.waitFor(() => expect(revisions(cluster)).toEqual([3]), soon);
    await pin(hello, "v3");
    await pin(hello, "latest");
    await pin(hello, "v3");
    release();
    await vi.waitFor(() => expect(revisions(cluster)).toEqual([3, 6]), soon);
    await passTimeRunning(hello.service(), 60_000);
    expect(revisions(cluster)).toEqual([3, 6]);
  });

  test("and back within a moment is announced as what it was", async ({ cluster }) => {
    const hello = await withImages(cluster);
    const release = holdAnswers(cluster);
    await pin(hello, "v2");
    await vi.waitFor(() => expect(revisions(cluster)).toEqual([3]), soon);
    await pin(hello, "latest");
    release();
    await vi.waitFor(() => expect(revisions(cluster)).toEqual([3, 4]), soon);
    const last = cluster.of("image.pinned").at(-1)?.message.data;
    expect(last).toMatchObject({ image: { digest: digestNumber(1) } });
  });

  test("after an attempt that has failed has only what it is now announced", async ({ cluster }) => {
    const hello = await withImages(cluster);
    cluster.always(() => new Response(null, { status: 503 }));
    await pin(hello, "v2");
    await vi.waitFor(async () => {
      expect(Object.values(await pendingWebhooks(hello.service()))).toEqual([1]);
    }, soon);
    cluster.always(() => Response.json({}));
    await pin(hello, "v3");
    await vi.waitFor(() => expect(revisions(cluster)).toEqual([3, 4]), soon);
    await passTimeRunning(hello.service(), 60_000);
    expect(revisions(cluster)).toEqual([3, 4]);
    await vi.waitFor(async () => expect(await pendingWebhooks(hello.service())).toEqual({}), soon);
  });
});

describe("a service that is killed", () => {
  test("before a pin is announced announces it when it awakes", async ({ cluster }) => {
    const hello = await withImages(cluster);
    const release = holdAnswers(cluster);
    await pin(hello, "v2");
    await vi.waitFor(() => expect(revisions(cluster)).toEqual([3]), soon);
    await kill(hello.service());
    release();
    await passTime(hello.service(), 11_000);
    await vi.waitFor(() => expect(revisions(cluster)).toEqual([3, 3]), soon);
    const [[, first] = [], [, again] = []] = announced(cluster);
    expect(again).toBe(first);
  });

  test("after that, and before it has written so, sends the same again, once", async ({ cluster }) => {
    const hello = await withImages(cluster);
    await pin(hello, "v2");
    await cluster.settledOf("image.pinned", 2);
    await runInDurableObject(hello.service(), (_, { storage }) => {
      storage.sql.exec("UPDATE service SET announced_until = 0").toArray();
    });
    await kill(hello.service());
    await passTimeRunning(hello.service(), 60_000);
    await vi.waitFor(() => expect(revisions(cluster)).toEqual([3, 3]), soon);
    expect(new Set(announced(cluster).map(([, id]) => id)).size).toBe(1);
    await kill(hello.service());
    await passTimeRunning(hello.service(), 60_000);
    expect(revisions(cluster)).toEqual([3, 3]);
  });

  test("and comes back too late announces nothing", async ({ cluster }) => {
    const hello = await withImages(cluster);
    holdAnswers(cluster);
    await pin(hello, "v2");
    await vi.waitFor(() => expect(revisions(cluster)).toEqual([3]), soon);
    await kill(hello.service());
    cluster.always(() => Response.json({}));
    await passTime(hello.service(), pinnedRetryForMs);
    await passTimeRunning(hello.service(), 60_000);
    expect(revisions(cluster)).toEqual([3]);
  });
});

/** What can happen to the moves of a service with three environments. */
const step = fc.record({
  what: fc.constantFrom("move", "move", "move and roll back", "announce", "write", "awake"),
  environment: fc.nat(2),
  /** Whether the clock goes on; it may go back, too. */
  passes: fc.constantFrom(-2, 0, 0, 1, 9),
});

test("no move is forgotten, and none announced twice while the object is awake, whatever comes between", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const rows = [0, 1, 2].map((seq) => ({ seq, moved_at: 0 }));
      const moves = [0, 0, 0];
      const done = [0, 0, 0];
      let written = 0;
      let now = 100;
      const awake = () =>
        new Announcements({
          environments: { all: () => rows, withSeq: (seq) => rows[seq] },
          written: () => written,
          write: (until) => {
            written = until;
          },
        });
      let announcements = awake();
      for (const { what, environment, passes } of steps) {
        now += passes;
        const row = rows[environment];
        if (!row) continue;
        if (what.startsWith("move")) {
          const before = row.moved_at;
          row.moved_at = announcements.nextMove(now);
          announcements.moved(environment);
          if (what === "move") moves[environment] = row.moved_at;
          else row.moved_at = before;
        } else if (what === "announce") {
          const [first] = announcements.waiting();
          if (first) {
            announcements.done(first);
            done[first.seq] = first.moved_at;
          }
        } else if (what === "write") announcements.write();
        else {
          announcements = awake();
          // What was announced and not written may be announced again.
          rows.forEach(({ seq, moved_at }) => {
            if (moved_at > written) done[seq] = Math.min(done[seq] ?? 0, written);
          });
        }
        const waiting = announcements.waiting().map(({ seq }) => seq);
        const expected = [0, 1, 2].filter((seq) => (moves[seq] ?? 0) > (done[seq] ?? 0));
        expect(waiting.sort()).toEqual(expected);
      }
    }),
    { numRuns: 500 },
  );
});
