import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Progress, progressOn } from "../../../src/cli/deploys/progress.ts";
import { pauseBefore, untilMet } from "../../../src/cli/deploys/wait.ts";
import { done, type Outcome, requestFailure } from "../../../src/cli/outcome.ts";
import type { GateAnswer } from "../../../src/protocol/v3/deploys.ts";

const start = Date.parse("2026-11-24T10:00:00.000Z");
const inSeconds = (seconds: number) => new Date(start + seconds * 1000).toISOString();

const minReady: GateAnswer = { name: "min_ready", state: "pending", have: 3, need: 20 };
const soakFor = (seconds: number): GateAnswer => ({
  name: "soak_seconds",
  state: "pending",
  have: 0,
  need: seconds,
  passes_at: inSeconds(seconds),
});

function notYet(...gates: GateAnswer[]): Outcome<string> {
  return { ok: false, failure: { kind: "not_yet", message: "not met", gates } };
}

describe("how long is waited", () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: start });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const silent: Progress = { show: () => {}, end: () => {} };

  /** What is attempted at which second; the last outcome is that of all further attempts. */
  async function attempts(outcomes: readonly Outcome<string>[], timeoutSeconds = 3600) {
    const at: number[] = [];
    const ended = untilMet(
      async () => {
        at.push((Date.now() - start) / 1000);
        return outcomes[at.length - 1] ?? outcomes.at(-1) ?? requestFailure("there is none");
      },
      { timeoutSeconds, progress: silent },
    );
    await vi.runAllTimersAsync();
    return { at, outcome: await ended };
  }

  test("a little longer each time, up to 15 s", async () => {
    const { at } = await attempts([notYet(minReady)], 70);
    expect(at).toEqual([0, 2, 5, 9.5, 16.25, 26.375, 41.375, 56.375, 70]);
  });

  test("until the gate with a known time is met", async () => {
    const { at, outcome } = await attempts([notYet(soakFor(11)), done("promoted")]);
    expect(at).toEqual([0, 11]);
    expect(outcome).toEqual(done("promoted"));
  });

  test("until the last of them is, of several, but never longer than 15 s", async () => {
    const { at } = await attempts([notYet(soakFor(7), minReady, soakFor(20)), done("promoted")]);
    expect(at).toEqual([0, 15]);
  });

  test("by no time that is past, as where this clock is ahead", async () => {
    const { at } = await attempts([notYet(soakFor(-30)), notYet(soakFor(-30)), done("promoted")]);
    expect(at).toEqual([0, 2, 5]);
  });

  test("half a second at least", () => {
    expect(pauseBefore([soakFor(0.001)], 1, start)).toBe(500);
  });

  test("not for a gate that is met", () => {
    expect(pauseBefore([{ ...soakFor(9), state: "passed" }, minReady], 1, start)).toBe(2000);
  });

  test("as long as was said, and at its end is tried once more", async () => {
    const { at, outcome } = await attempts([notYet(minReady)], 6);
    expect(at).toEqual([0, 2, 5, 6]);
    expect(outcome).toEqual(notYet(minReady));
  });

  test("not at all where it is done, or fails in another way", async () => {
    expect(await attempts([done("promoted")])).toEqual({ at: [0], outcome: done("promoted") });
    const refused = requestFailure("a gate has failed", { code: "gate_not_met" });
    expect((await attempts([notYet(minReady), refused, done("promoted")])).outcome).toEqual(refused);
  });
});

describe("progress", () => {
  function shownOn(stream: { isTTY?: boolean; columns?: number }): { written: string } {
    const shown = { written: "" };
    const progress = progressOn({
      ...stream,
      write: (text) => {
        shown.written += text;
      },
    });
    progress.show("waiting for one");
    progress.show("waiting for one");
    progress.show("waiting for two\u001b[2J\nand three");
    progress.end();
    return shown;
  }

  test("is a line for each change where stderr is no terminal, without escape sequences", () => {
    expect(shownOn({}).written).toBe("waiting for one\nwaiting for two\ufffd[2J and three\n");
  });

  test("is one line on a terminal, as long as that is wide, and gone at the end", () => {
    const clear = "\r\u001b[K";
    const { written } = shownOn({ isTTY: true, columns: 20 });
    expect(written).toBe(`${clear}waiting for one${clear}waiting for two\ufffd[2J${clear}`);
  });

  test("that never began leaves a terminal alone", () => {
    let written = "";
    progressOn({ isTTY: true, write: (text) => (written += text) }).end();
    expect(written).toBe("");
  });
});
