import { describe, expect, vi } from "vitest";
import { fail } from "../../src/domain/result.ts";
import { FailureLog } from "../../src/objects/failures/failure-log.ts";
import { clockTest } from "../support/worker/worker-test.ts";
import { failureLines } from "./support/failure-lines.ts";

const unavailable = () => Object.assign(new Error("restarting"), { retryable: true });

const test = clockTest
  .extend("lines", ({ task: _ }, { onCleanup }) => {
    onCleanup(() => {
      vi.restoreAllMocks();
    });
    return failureLines();
  })
  .extend("log", () => new FailureLog("Cluster acme/main"));

describe("failures to reach something", () => {
  test("are logged once when they begin, and once when they end, with what, where and how often", ({
    lines,
    log,
  }) => {
    log.failed("reconcile with service hello", unavailable());
    expect(lines()).toEqual([
      {
        event: "unreached",
        where: "Cluster acme/main",
        what: "reconcile with service hello",
        failures: 1,
        since: "2030-01-01T00:00:00.000Z",
        error: "Error: restarting",
      },
    ]);
    vi.setSystemTime(Date.now() + 60_000);
    for (let i = 0; i < 5; i++) log.failed("reconcile with service hello", unavailable());
    log.succeeded("reconcile with service hello");
    expect(lines()).toHaveLength(2);
    expect(lines().at(-1)).toEqual({
      event: "recovered",
      where: "Cluster acme/main",
      what: "reconcile with service hello",
      failures: 6,
      since: "2030-01-01T00:00:00.000Z",
    });
  });

  test("begin a new streak after a success", ({ lines, log }) => {
    for (let i = 0; i < 2; i++) {
      log.failed("settle", unavailable());
      log.succeeded("settle");
    }
    expect(lines().map(({ event, failures }) => [event, failures])).toEqual([
      ["unreached", 1],
      ["recovered", 1],
      ["unreached", 1],
      ["recovered", 1],
    ]);
  });

  test("of one activity are no matter of another", ({ lines, log }) => {
    log.failed("settle", unavailable());
    log.failed("report draining", unavailable());
    log.succeeded("look up a service");
    log.succeeded("settle");
    expect(lines().map(({ event, what }) => `${event} ${what}`)).toEqual([
      "unreached settle",
      "unreached report draining",
      "recovered settle",
    ]);
  });
});

describe("a call that may fail", () => {
  test("gives its value, or null where it failed, and ends the streak when it succeeds", async ({
    lines,
    log,
  }) => {
    const answers = [unavailable(), unavailable(), null];
    const call = async () => {
      const error = answers.shift();
      if (error) throw error;
      return "value";
    };
    expect(await log.attempt("look up", call)).toBeNull();
    expect(await log.attempt("look up", call)).toBeNull();
    expect(await log.attempt("look up", call)).toEqual({ value: "value" });
    expect(lines().map(({ event, failures }) => [event, failures])).toEqual([
      ["unreached", 1],
      ["recovered", 2],
    ]);
  });
});

describe("storage that is full", () => {
  test("is logged as that when a streak begins and when it ends", ({ lines, log }) => {
    const full = new Error("database or disk is full: SQLITE_FULL");
    for (let i = 0; i < 3; i++) log.failed("settle", full);
    log.succeeded("settle");
    expect(lines().map(({ event, failures }) => [event, failures])).toEqual([
      ["storage_full", 1],
      ["recovered", 3],
    ]);
  });
});

describe("errors that cannot be classified", () => {
  test("are logged every time, with their stack", ({ lines, log }) => {
    for (let i = 0; i < 3; i++) log.failed("settle", new TypeError("undefined is not a function"));
    log.succeeded("settle");
    expect(lines().map(({ event, failures }) => [event, failures])).toEqual([
      ["unclassified_error", 1],
      ["unclassified_error", 2],
      ["unclassified_error", 3],
      ["recovered", 3],
    ]);
    expect(lines()[0]).toMatchObject({
      error: "TypeError: undefined is not a function",
      stack: expect.stringContaining("failure-log.test.ts"),
    });
  });

  test("are logged amid a streak of others", ({ lines, log }) => {
    log.failed("settle", unavailable());
    log.failed("settle", new Error("no such table"));
    expect(lines().map(({ event }) => event)).toEqual(["unreached", "unclassified_error"]);
  });

  test("take no more than a bounded line, and need be no errors", ({ lines, log }) => {
    const error = new Error("x".repeat(100_000));
    error.stack = "y".repeat(100_000);
    log.failed("settle", error);
    log.failed("settle", "just text");
    expect(JSON.stringify(lines()[0]).length).toBeLessThan(6_000);
    expect(lines()[1]).toMatchObject({ error: "just text" });
  });

  test("are what a call leaves that is refused against all expectation", async ({ lines, log }) => {
    const refused = await log.attemptResult("record events", async () =>
      fail("account_not_found", "account not found"),
    );
    expect(refused).toBeNull();
    expect(lines()).toMatchObject([
      { event: "unclassified_error", error: "Error: account_not_found: account not found" },
    ]);
  });
});
