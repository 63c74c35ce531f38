import { env } from "cloudflare:workers";
import { describe, expect, vi } from "vitest";
import { storageCheckedAgainMs, storageCheckedEveryMs } from "../../src/domain/limits.ts";
import { failureOf } from "../../src/edge/exception.ts";
import { Directory } from "../../src/objects/directory/directory.ts";
import { refusal, send } from "../support/worker/api.ts";
import { frozenAt } from "../support/worker/clock.ts";
import { fillStorage } from "../support/worker/full-storage.ts";
import { isolatedClusterTest as base } from "../support/worker/worker-test.ts";

/** What was found before counts no more. */
const test = base.extend("later", { auto: true }, async ({ clock: _ }) => {
  later(storageCheckedEveryMs);
});

let passed = 0;

/** Lets time pass, from test to test: the isolate remembers what it found, while each test's clock begins anew. */
function later(ms: number): void {
  passed += ms;
  vi.setSystemTime(frozenAt + passed);
}

async function health(): Promise<number> {
  const answer = await send("/healthz");
  await answer.text();
  return answer.status;
}

function internalError(): Error {
  return new Error("internal error; reference = c5sbhfk8estqnc14lh2g0vrf");
}

describe("/healthz", () => {
  test("is 503 while nothing can be written, and 200 soon after there is room", async () => {
    expect(await health()).toBe(200);
    const makeRoom = await fillStorage();
    later(storageCheckedEveryMs);
    const { status, code, response } = await refusal("/healthz");
    expect([status, code, response.headers.get("retry-after")]).toEqual([503, "storage_full", "10"]);
    makeRoom();
    later(storageCheckedAgainMs);
    expect(await health()).toBe(200);
  });

  test("writes once for all who ask within a while", async () => {
    const checks = vi.spyOn(Directory.prototype, "checkStorage");
    await Promise.all(Array.from({ length: 20 }, health));
    expect(await health()).toBe(200);
    expect(checks).toHaveBeenCalledTimes(1);
    later(storageCheckedEveryMs);
    await health();
    expect(checks).toHaveBeenCalledTimes(2);
  });

  test("is 503 where the object that is written to cannot be opened, or is overloaded", async () => {
    const check = vi.spyOn(Directory.prototype, "checkStorage");
    check.mockRejectedValueOnce(internalError());
    expect((await refusal("/healthz")).code).toBe("storage_full");
    later(storageCheckedAgainMs);
    check.mockRejectedValueOnce(Object.assign(new Error("inner"), { overloaded: true }));
    expect((await refusal("/healthz")).code).toBe("unavailable");
  });
});

describe("a request on whose way the runtime has failed", () => {
  test("is refused for the storage where that is full, else for a while", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    const codeOf = async () => (await failureOf(internalError(), env))?.code;
    expect(await codeOf()).toBe("unavailable");
    const makeRoom = await fillStorage();
    expect(await codeOf()).toBe("storage_full");
    makeRoom();
    expect(await codeOf()).toBe("unavailable");
  });

  test("has the full storage of one object only refused there", async () => {
    const full = new Error("database or disk is full: SQLITE_FULL");
    const find = vi.spyOn(Directory.prototype, "accountStanding").mockRejectedValueOnce(full);
    const token = `strangers_${"a".repeat(12)}.${"A".repeat(43)}`;
    const { status, code } = await refusal("/v3/accounts/strangers/tokens", { token });
    expect([status, code, find.mock.calls.length]).toEqual([503, "storage_full", 1]);
    expect(await health()).toBe(200);
  });
});
