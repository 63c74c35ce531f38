import { expect, test } from "vitest";
import type { Journal } from "../../../src/agent/backends/journal.ts";
import { spawnWebhookData } from "../../../src/protocol/webhooks/webhook.ts";
import { startBackends } from "../support/backends.ts";
import { eventually } from "../support/eventually.ts";
import { theCase } from "../support/killable.ts";

/*
 * A backend's life by an agent whose journal takes so many writes and no more, and then by the agent that starts over what
 * is left: for every number of writes.
 */

/** A journal that counts what is written to it, and fails from the write after `limit` on. */
function limited(limit: number) {
  let written = 0;
  const counted =
    <Params extends unknown[], Value>(write: (...params: Params) => Value) =>
    (...params: Params): Value => {
      written += 1;
      if (written > limit) throw new Error("the disk is full");
      return write(...params);
    };
  return {
    written: () => written,
    journalOver: (journal: Journal): Journal => ({
      ...journal,
      addBackend: counted(journal.addBackend),
      setHistory: counted(journal.setHistory),
      setAcknowledged: counted(journal.setAcknowledged),
      addEnd: counted(journal.addEnd),
    }),
  };
}

/** @returns how many writes the first agent made or tried */
async function live(limit: number, key: string | null, until: "ready" | "terminated"): Promise<number> {
  const at = await theCase("exit-on-sigterm", { key });
  const { dir, slipway, id } = at;
  const data = spawnWebhookData.parse(at.data);
  const { written, journalOver } = limited(limit);
  let starts = 0;
  const onStart = () => void starts++;
  const first = await startBackends({ dir, slipway, journalOver, onStart });
  const isAccepted = accepts(() => first.backends.spawn(data).ok);
  // A spawn that is not written down is not acknowledged, and not begun.
  expect(isAccepted).toBe(limit > 0);
  if (isAccepted) {
    await eventually(() => slipway.statusesOf(id)).toContain("ready");
    if (until === "terminated") {
      first.backends.terminate(id, "soft", "external");
      await eventually(() => slipway.statusesOf(id)).toContain("terminated");
    }
  }
  await first.leave();
  const hasEnded = slipway.statusesOf(id).includes("terminated");
  expect(starts).toBe(isAccepted ? 1 : 0);
  expect(await at.running()).toHaveLength(isAccepted && !hasEnded ? 1 : 0);
  if (hasEnded) slipway.current = "terminated";

  const second = await startBackends({ dir, slipway, onStart });
  expect(second.backends.spawn(data)).toEqual({ ok: true });
  if (!hasEnded) {
    await eventually(() => second.backends.list().map(({ status }) => status)).toEqual(["ready"]);
    expect(starts).toBe(1);
    second.backends.terminate(id, "soft", "external");
  }
  await eventually(() => second.backends.list()).toEqual([]);
  expect(await at.running()).toEqual([]);
  // What Slipway knows to have ended starts no more where it held a key, which may be another's by now.
  if (key !== null) expect(starts).toBe(1);
  expect(slipway.statusesOf(id)).toContain("terminated");
  expect(await at.left()).toEqual([]);
  await second.close();
  return written();
}

function accepts(spawn: () => boolean): boolean {
  try {
    return spawn();
  } catch {
    return false;
  }
}

test.for([
  ["with a key", "ready", "doc"],
  ["with a key", "terminated", "doc"],
  ["without a key", "ready", null],
  ["without a key", "terminated", null],
] as const)(
  "whichever write of a life is the last one, a backend %s that was left when it was %s is neither lost nor started twice",
  async ([_, until, key]) => {
    const writes = await live(Number.POSITIVE_INFINITY, key, until);
    expect(writes).toBeGreaterThan(4);
    for (let limit = 0; limit <= writes; limit++) {
      await live(limit, key, until).catch((error: unknown) => {
        throw new Error(`after ${limit} writes: ${error}`, { cause: error });
      });
    }
  },
);
