import { describe, expect, vi } from "vitest";
import { fail } from "../../src/domain/result.ts";
import { Account } from "../../src/objects/account/account.ts";
import { Backends } from "../../src/objects/backends/backends.ts";
import { Cluster } from "../../src/objects/cluster/cluster.ts";
import { Service } from "../../src/objects/service/service.ts";
import { passTime, wakesIn } from "../support/worker/clock.ts";
import { breakTable, registrationOf } from "./support/agent.ts";
import { failureLines } from "./support/failure-lines.ts";
import { test } from "./support/object-test.ts";
import { caller, code, value } from "./support/service.ts";

const soon = { timeout: 10_000 };

async function unavailable(): Promise<never> {
  throw Object.assign(new Error("restarting"), { retryable: true });
}

/** The lines of one activity so far, as [event, failures]. */
function streaksOf(lines: ReturnType<ReturnType<typeof failureLines>>, what: string) {
  return lines.flatMap((line) => (line.what === what ? [[line.event, line.failures]] : []));
}

describe("a failure that an object lives with is logged, and made up for:", () => {
  test("a service that could not be given the configuration gets it by the account's alarm", async ({
    hello,
  }) => {
    const lines = failureLines();
    const apply = vi.spyOn(Service.prototype, "applyAccountConfig").mockImplementation(unavailable);
    const what = "apply the configuration to service hello";
    value(await hello.accountObject.patchCluster("main", { ack: "async" }, caller));
    expect(await wakesIn(hello.accountObject)).toBe(2_000);
    await passTime(hello.accountObject, 2_000);
    expect(streaksOf(lines(), what)).toEqual([["unreached", 1]]);
    apply.mockRestore();
    await passTime(hello.accountObject, 2_000);
    expect(streaksOf(lines(), what)).toEqual([
      ["unreached", 1],
      ["recovered", 2],
    ]);
    expect(lines()[0]?.where).toBe(`Account ${hello.account}`);
  });

  test("a ping that its log did not take is answered all the same", async ({ hello }) => {
    const lines = failureLines();
    vi.spyOn(Cluster.prototype, "recordAttempts").mockImplementation(unavailable);
    expect(value(await hello.accountObject.testCluster("main"))).toMatchObject({ delivered: true });
    expect(streaksOf(lines(), "log a ping of cluster main")).toEqual([["unreached", 1]]);
  });

  test("events that the account refused are sent again, and the refusal is an error that nobody expected", async ({
    hello,
  }) => {
    const lines = failureLines();
    vi.spyOn(Account.prototype, "recordEvents").mockImplementationOnce(async () =>
      fail("account_not_found", "account not found"),
    );
    await hello.push(1, "latest");
    const what = "record events at the account";
    await vi.waitFor(() => expect(streaksOf(lines(), what)).toEqual([["unclassified_error", 1]]), soon);
    await passTime(hello.service(), 60_000);
    await vi.waitFor(() => expect(streaksOf(lines(), what).at(-1)).toEqual(["recovered", 1]), soon);
  });

  test("a status that its shard did not take is recorded there later", async ({
    backend: { hello, backendId },
  }) => {
    const lines = failureLines();
    const record = vi.spyOn(Backends.prototype, "record").mockImplementation(unavailable);
    value(await hello.service().terminate(backendId, true, caller));
    const what = "record statuses in their shards";
    await vi.waitFor(() => expect(streaksOf(lines(), what)).toEqual([["unreached", 1]]), soon);
    record.mockRestore();
    await passTime(hello.service(), 2_000);
    await vi.waitFor(() => expect(streaksOf(lines(), what)[1]?.[0]).toBe("recovered"), soon);
  });
});

describe("a failure that nothing makes up for reaches its caller:", () => {
  test("a report that the service refuses is not acknowledged, and is taken when it is repeated", async ({
    backend,
  }) => {
    const refuse = vi
      .spyOn(Service.prototype, "statusReached")
      .mockImplementationOnce(async () => fail("unavailable", "not now"));
    expect(code(await backend.report({ status: "ready" }))).toBe("unavailable");
    expect(refuse).toHaveBeenCalledTimes(1);
    expect(value(await backend.report({ status: "ready" }))).toEqual({ accepted: true, current: "ready" });
  });

  test("a redelivery that fails by a bug is no attempt that is merely late", async ({ hello }) => {
    const registration = await registrationOf(hello);
    const params = { cluster: "main", registration, id: "pinned_1", attempts: 1 };
    const mend = await breakTable(hello.service(), "deliveries");
    // Of a function, since the assertion reads properties of a stub's promise, which are calls that fail by themselves.
    await expect(async () => hello.service().redeliver(params)).rejects.toThrow("no such table");
    await mend();
    expect(code(await hello.service().redeliver(params))).toBe("delivery_over");
  });
});
