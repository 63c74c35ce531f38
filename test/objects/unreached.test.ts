import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { inTime } from "../../src/objects/failures/in-time.ts";
import { budgetSpent, runtimeFailed, storageFull, unreached } from "../../src/objects/failures/unreached.ts";
import { directoryStub } from "../../src/objects/stubs.ts";

async function errorOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => expect.unreachable("this should have failed"),
    (error: unknown) => error,
  );
}

describe("what may be retried", () => {
  test.each([
    ["an object that is restarting", Object.assign(new Error("inner"), { retryable: true })],
    [
      "the same, thrown on by another object",
      Object.assign(new Error("x"), { retryable: true, remote: true }),
    ],
    ["an object that is overloaded", Object.assign(new Error("inner"), { overloaded: true })],
    ["an object that was reset during the call", Object.assign(new Error("x"), { durableObjectReset: true })],
    ["a plain object with a mark", { retryable: true }],
    ["a connection that broke off, its mark lost", new Error("Network connection lost.")],
    ["a time limit of the platform", new DOMException("too late", "TimeoutError")],
  ])("is %s", (_, error) => {
    expect(unreached(error)).toBe(true);
  });

  test("is a call that was not answered in time", async () => {
    expect(unreached(await errorOf(inTime(new Promise(() => {}), 1)))).toBe(true);
  });

  test("is a network that the runtime cannot get through", async () => {
    expect(unreached(await errorOf(fetch("http://127.0.0.1:1/")))).toBe(true);
  });

  test("is a call of an object that is reset meanwhile", async () => {
    const stub = directoryStub(env, "reset");
    const call = runInDurableObject(stub, (_, state) => state.abort("restarted"));
    expect(unreached(await errorOf(call))).toBe(true);
  });
});

describe("a call too many for one invocation", () => {
  const messages = [
    "Too many subrequests.",
    "Too many subrequests by single Worker invocation. To configure this limit, see the documentation.",
    "Too many API requests by single worker invocation.",
  ];
  test.each(messages)("is %j, and no object that restarts", (message) => {
    expect(budgetSpent(new Error(message))).toBe(true);
    expect(unreached(new Error(message))).toBe(false);
  });

  test.each([new Error("the row says: Too many subrequests."), "Too many subrequests.", null])(
    "is not %s",
    (error) => {
      expect(budgetSpent(error)).toBe(false);
    },
  );
});

describe("storage that is full", () => {
  const message = "database or disk is full: SQLITE_FULL";

  test.each([
    ["what a statement throws", new Error(message)],
    ["the same, from another object", Object.assign(new Error(message), { remote: true })],
    [
      "what resets an object that cannot commit",
      Object.assign(new Error(message), { durableObjectReset: true }),
    ],
    ["an S3 server without room", new Error("S3 answered 507 to PUT: <Code>XMinioStorageFull</Code>")],
  ])("is %s, and may be written to later", (_, error) => {
    expect(storageFull(error)).toBe(true);
    expect(unreached(error)).toBe(true);
  });

  test.each([
    ["another error of SQLite", new Error("disk I/O error: SQLITE_IOERR")],
    ["a message that mentions it", new Error(`the row says: ${message}`)],
    [
      "an object that was reset for another reason",
      Object.assign(new Error("x"), { durableObjectReset: true }),
    ],
    ["an S3 server that refuses for another reason", new Error("S3 answered 500 to PUT: 507")],
    ["text", message],
    ["null", null],
  ])("is not %s", (_, error) => {
    expect(storageFull(error)).toBe(false);
  });
});

describe("a failure of the runtime, which says no more", () => {
  const error = new Error("internal error; reference = c5sbhfk8estqnc14lh2g0vrf");

  test("is known by that", () => {
    expect(runtimeFailed(error)).toBe(true);
    expect(runtimeFailed(new Error("the row says: internal error; reference = x"))).toBe(false);
  });

  test("is neither a full storage nor an object that restarts", () => {
    expect([storageFull(error), unreached(error), budgetSpent(error)]).toEqual([false, false, false]);
  });
});

describe("what may not be retried as if it were nothing", () => {
  test.each([
    ["an error", new Error("inner")],
    ["what another object's code threw", Object.assign(new Error("no such table"), { remote: true })],
    ["a mark that says no", Object.assign(new Error("inner"), { retryable: false, overloaded: false })],
    ["a mark that is no boolean", Object.assign(new Error("inner"), { retryable: "yes" })],
    ["a programming error", new TypeError("undefined is not a function")],
    ["a message that mentions the network", new Error("the row says: Network connection lost.")],
    ["nothing", undefined],
    ["null", null],
    ["text", "retryable"],
  ])("is %s", (_, error) => {
    expect(unreached(error)).toBe(false);
  });
});
