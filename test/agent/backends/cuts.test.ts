import { expect, test } from "vitest";
import type { Journal } from "../../../src/agent/backends/journal.ts";
import { spawnWebhookData } from "../../../src/protocol/webhooks/webhook.ts";
import { startBackends } from "../support/backends.ts";
import { eventually } from "../support/eventually.ts";
import type { ImageName } from "../support/images.ts";
import { theCase } from "../support/killable.ts";

/*
 * A backend's life by an agent whose journal fails at some of its writes, and then by the agent that starts over what is left:
 * for every write.
 */

/**
 * Which writes fail: all from the given one on, that one alone, all from it on until there is room again, or from it on those of
 * statuses.
 */
type Failing = "from then on" | "alone" | "until there is room" | "for statuses";

/** A journal that counts what is written to it, and takes `good` writes before it fails. */
function limited(good: number, failing: Failing) {
  let written = 0;
  let hasRoom = false;
  const isTaken = (isStatus: boolean) => {
    if (written <= good || hasRoom) return true;
    if (failing === "for statuses") return !isStatus;
    return failing === "alone" && written > good + 1;
  };
  const counted =
    <Params extends unknown[], Value>(write: (...params: Params) => Value, isStatus = false) =>
    (...params: Params): Value => {
      written += 1;
      if (!isTaken(isStatus)) throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
      return write(...params);
    };
  return {
    written: () => written,
    makeRoom: () => {
      hasRoom = true;
    },
    journalOver: (journal: Journal): Journal => ({
      ...journal,
      addBackend: counted(journal.addBackend),
      setHistory: counted(journal.setHistory, true),
      setAcknowledged: counted(journal.setAcknowledged),
      addEnd: counted(journal.addEnd),
      forgetEndsBefore: counted(journal.forgetEndsBefore),
    }),
  };
}

interface Story {
  image: ImageName;
  key: string | null;
  /** What is waited for before the first agent is gone. */
  until: "ready" | "terminated";
  /** Whether its end is requested. */
  isTerminated?: boolean;
  /** The exit code that its end has, which only the second agent can report: Slipway takes no end of the first one. */
  unreported?: number;
}

/** @returns how many writes the first agent made or tried */
async function live({ image, key, until, isTerminated, unreported }: Story, good: number, failing: Failing) {
  const at = await theCase(image, { key });
  const { dir, slipway, id } = at;
  const becomesReady = until === "ready" || isTerminated === true;
  const data = spawnWebhookData.parse(at.data);
  const { written, makeRoom, journalOver } = limited(good, failing);
  if (unreported !== undefined)
    slipway.answerReport = ({ body }) => (body.status === "terminated" ? 503 : 200);
  let starts = 0;
  const onStart = () => void starts++;
  const first = await startBackends({ dir, slipway, journalOver, onStart });
  const isAccepted = accepts(() => first.backends.spawn(data).ok);
  // A spawn that is not written down is not acknowledged, and not begun.
  expect(first.backends.list()).toHaveLength(isAccepted ? 1 : 0);
  if (isAccepted) {
    if (becomesReady) await eventually(() => slipway.statusesOf(id)).toContain("ready");
    if (isTerminated) first.backends.terminate(id, "soft", "external");
    if (unreported === undefined) await eventually(() => slipway.statusesOf(id)).toContain(until);
    else await eventually(() => first.backends.list()[0]?.status).toBe(until);
    if (failing === "until there is room") makeRoom();
    const recovers = failing === "alone" || failing === "until there is room";
    if (recovers) await eventually(() => first.backends.writes.isFailing).toBe(false);
    if (recovers && until === "terminated") {
      await eventually(() => first.backends.list()).toEqual([]);
      expect(first.journal.backends()).toEqual([]);
    }
  }
  await first.leave();
  const hasEnded = slipway.statusesOf(id).includes("terminated");
  expect(starts).toBe(isAccepted ? 1 : 0);
  expect(await at.running()).toHaveLength(isAccepted && until === "ready" ? 1 : 0);
  if (hasEnded) slipway.current = "terminated";
  slipway.answerReport = () => 200;

  const second = await startBackends({ dir, slipway, onStart });
  expect(second.backends.spawn(data)).toEqual({ ok: true });
  if (!hasEnded && becomesReady) {
    await eventually(() => second.backends.list().map(({ status }) => status)).toEqual(["ready"]);
    second.backends.terminate(id, "soft", "external");
  }
  await eventually(() => second.backends.list()).toEqual([]);
  expect(await at.running()).toEqual([]);
  // What has ended comes back as nothing, whether or not that could be written down.
  expect(starts).toBe(1);
  const end = slipway.acknowledged(id).at(-1);
  expect(end).toMatchObject({
    status: "terminated",
    ...(unreported !== undefined && { exit_code: unreported }),
  });
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

const isReady = { image: "exit-on-sigterm", until: "ready" } as const;
const isTerminated = { image: "exit-on-sigterm", until: "terminated", isTerminated: true } as const;
const endsItself = { image: "exit-3", until: "terminated" } as const;
const endsUnreported = { ...endsItself, unreported: 3 } as const;
const cannotStart = { image: "missing-program", until: "terminated" } as const;

test.for([
  ["from then on", "is ready", { ...isReady, key: "doc" }],
  ["from then on", "is ready", { ...isReady, key: null }],
  ["from then on", "is terminated", { ...isTerminated, key: "doc" }],
  ["from then on", "is terminated", { ...isTerminated, key: null }],
  ["from then on", "ends by itself", { ...endsItself, key: null }],
  ["from then on", "cannot be started", { ...cannotStart, key: null }],
  ["from then on", "ends unreported", { ...endsUnreported, key: null }],
  ["for statuses", "ends unreported", { ...endsUnreported, key: "doc" }],
  ["alone", "is terminated", { ...isTerminated, key: null }],
  ["alone", "ends by itself", { ...endsItself, key: null }],
  ["alone", "cannot be started", { ...cannotStart, key: "doc" }],
  ["until there is room", "is terminated", { ...isTerminated, key: null }],
  ["until there is room", "ends by itself", { ...endsItself, key: "doc" }],
] as const)(
  "whichever write of a life fails, %s, a backend that %s is neither lost nor started twice: %j",
  async ([failing, _what, story]) => {
    const writes = await live(story, Number.POSITIVE_INFINITY, failing);
    expect(writes).toBeGreaterThan(4);
    for (let good = 0; good <= writes; good++) {
      await live(story, good, failing).catch((error: unknown) => {
        throw new Error(`after ${good} writes: ${error}`, { cause: error });
      });
    }
  },
);
