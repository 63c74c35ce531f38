import { describe, expect, test } from "vitest";
import {
  type ClusterLoad,
  maySend,
  type Promptness,
  promptnessOf,
} from "../../../src/domain/deliveries/send-budget.ts";
import {
  slowAnswerMs,
  webhooksAtOnce,
  webhooksAtOnceToSlow,
  webhooksAtOnceToSlowTogether,
} from "../../../src/domain/limits.ts";

const now = 1_000_000;

function load(promptness: Promptness, sent: number, agoMs = 0): ClusterLoad {
  return { promptness, sentAt: Array(sent).fill(now - agoMs) };
}

/** How many webhooks a cluster that has none under way may be sent, beside others. */
function room(promptness: Promptness, others: ClusterLoad[] = [], hasOthers = true, agoMs = 0): number {
  for (let sent = 0; sent <= webhooksAtOnce; sent++) {
    const its = load(promptness, sent, agoMs);
    if (!maySend(its, [its, ...others], hasOthers, now)) return sent;
  }
  throw new Error("there is no limit");
}

describe("a cluster is sent at a time", () => {
  test.for<[what: string, promptness: Promptness, hasOthers: boolean, agoMs: number, room: number]>([
    ["all there may be, where it is prompt and alone", "prompt", false, 0, webhooksAtOnce],
    ["one less, where it is prompt and there are others", "prompt", true, 0, webhooksAtOnce - 1],
    ["few, where nothing is known of it", "unproven", true, 0, webhooksAtOnceToSlow],
    ["all there may be, where it is slow and alone", "unproven", false, slowAnswerMs, webhooksAtOnce],
    ["few, where it was prompt and does not answer", "prompt", true, slowAnswerMs, webhooksAtOnceToSlow],
    ["as many as before, where it does not answer yet", "prompt", true, slowAnswerMs - 1, webhooksAtOnce - 1],
    ["one, where it did not answer in time", "timed_out", true, 0, 1],
    ["one, where it did not answer in time and is alone", "timed_out", false, 0, 1],
  ])("%s", ([_, promptness, hasOthers, agoMs, expected]) => {
    expect(room(promptness, [], hasOthers, agoMs)).toBe(expected);
  });
});

describe("beside others", () => {
  test("that hang, all at once, a prompt cluster has what they must leave", () => {
    const hanging = Array.from({ length: webhooksAtOnceToSlowTogether }, () => load("timed_out", 1));
    expect(room("prompt", hanging)).toBe(webhooksAtOnce - webhooksAtOnceToSlowTogether);
    expect(room("timed_out", hanging)).toBe(0);
  });

  test("that hang but for one, one of which nothing is known has no second", () => {
    const hanging = Array.from({ length: webhooksAtOnceToSlowTogether - 1 }, () => load("timed_out", 1));
    expect(room("unproven", hanging)).toBe(1);
    expect(room("unproven", hanging.slice(1))).toBe(webhooksAtOnceToSlow);
  });

  test("that hung of a sudden, one of which nothing is known has the one that was left to it", () => {
    expect(room("unproven", [load("prompt", webhooksAtOnce - 1, 5_000)])).toBe(1);
  });

  test("there is never more than the platform lets through", () => {
    expect(room("prompt", [load("prompt", webhooksAtOnce - 1)])).toBe(1);
    expect(room("prompt", [load("prompt", 3), load("unproven", 2)])).toBe(0);
  });
});

test("an answer says of its cluster whether it is prompt", () => {
  expect([0, slowAnswerMs - 1, slowAnswerMs, null].map(promptnessOf)).toEqual([
    "prompt",
    "prompt",
    "unproven",
    "timed_out",
  ]);
});

test("one answer that is late makes a cluster slow, whatever it was sent since", () => {
  const late: ClusterLoad = { promptness: "prompt", sentAt: [now - slowAnswerMs, now, now] };
  expect(late.sentAt.length).toBeGreaterThanOrEqual(webhooksAtOnceToSlow);
  expect(maySend(late, [late], true, now)).toBe(false);
  const prompt: ClusterLoad = { promptness: "prompt", sentAt: [now - slowAnswerMs + 1, now, now] };
  expect(maySend(prompt, [prompt], true, now)).toBe(true);
});

test("a cluster that did not answer is tried only while the slow ones leave room", () => {
  const silent = load("timed_out", 0);
  for (let sent = 0; sent < webhooksAtOnce; sent++) {
    const prompt = load("prompt", sent);
    expect(maySend(silent, [silent, prompt], true, now)).toBe(true);
    const slow = load("unproven", sent);
    expect(maySend(silent, [silent, slow], true, now)).toBe(sent < webhooksAtOnceToSlowTogether);
  }
});
