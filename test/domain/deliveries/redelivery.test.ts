import { describe, expect, test } from "vitest";
import { type BackendStatus, backendStatuses } from "../../../src/domain/backends/status.ts";
import {
  judgePinRedelivery,
  judgeSpawnRedelivery,
  judgeTerminationRedelivery,
  webhookName,
} from "../../../src/domain/deliveries/redelivery.ts";

const live: readonly BackendStatus[] = ["scheduled", "loading", "starting", "waiting", "ready"];
const pin = { cluster: "eu", revision: 7, digest: `sha256:${"1".repeat(64)}` };
const over = { ok: false, error: { code: "delivery_over" } };

describe("a webhook's id", () => {
  test.for([
    ["k3f9q7h3kq2m9_spawn", { type: "backend.spawn", backendId: "k3f9q7h3kq2m9" }],
    ["k3f9q7h3kq2m9_terminate_hard", { type: "backend.terminate", backendId: "k3f9q7h3kq2m9", hard: true }],
    ["k3f9q7h3kq2m9_terminate_soft", { type: "backend.terminate", backendId: "k3f9q7h3kq2m9", hard: false }],
    ["pinned_5f6c", { type: "image.pinned" }],
    ["ping_5f6c", null],
    ["", null],
    ["nonsense_spawn", null],
  ] as const)("%s tells what it is of", ([id, name]) => {
    expect(webhookName(id)).toEqual(name);
  });
});

describe("a spawn", () => {
  test.for(backendStatuses)("of a backend that is %s is sent again only while that lives", (status) => {
    const judged = judgeSpawnRedelivery({ status, acknowledged: true });
    if (live.includes(status)) expect(judged).toEqual({ ok: true, value: "repetition" });
    else expect(judged).toMatchObject(over);
  });

  test("that is still to be delivered is an attempt as any other", () => {
    expect(judgeSpawnRedelivery({ status: "scheduled", acknowledged: false })).toEqual({
      ok: true,
      value: "attempt",
    });
  });

  test("of a backend that is forgotten is over", () => {
    expect(judgeSpawnRedelivery(undefined)).toMatchObject(over);
  });
});

describe("a termination", () => {
  test("is sent again while it is undelivered, whatever became of its backend", () => {
    expect(judgeTerminationRedelivery(undefined, true).ok).toBe(true);
  });

  test("that was delivered is sent again until its backend has ended", () => {
    expect(judgeTerminationRedelivery({ status: "terminating" }, false).ok).toBe(true);
    expect(judgeTerminationRedelivery({ status: "terminated" }, false)).toMatchObject(over);
    expect(judgeTerminationRedelivery(undefined, false)).toMatchObject(over);
  });
});

describe("an image.pinned", () => {
  const pin = { cluster: "main", revision: 2, digest: "sha256:a" };
  test("is sent again while it announces the current pin", () => {
    expect(judgePinRedelivery(pin, { ...pin }).ok).toBe(true);
  });

  test.for([
    ["another revision", pin, { ...pin, revision: 3 }],
    ["another digest under the same tag", pin, { ...pin, digest: "sha256:b" }],
    ["another cluster", pin, { ...pin, cluster: "other" }],
    ["no environment any more", pin, undefined],
    ["nothing that is known", undefined, pin],
  ] as const)("is over where there is %s", ([, announced, present]) => {
    expect(judgePinRedelivery(announced, present)).toMatchObject(over);
  });
});

test("an id that only begins as that of a webhook is not one", () => {
  expect(webhookName("k3f9q7h3kq2m9_restart_hard")).toBeNull();
  expect(webhookName("k3f9q7h3kq2m9")).toBeNull();
});

test.for([
  [() => judgeSpawnRedelivery(undefined), "has ended, or its spawn was given up"],
  [
    () => judgeSpawnRedelivery({ status: "terminated", acknowledged: true }),
    "has ended, or its spawn was given up",
  ],
  [() => judgeSpawnRedelivery({ status: "terminating", acknowledged: true }), "is terminating"],
  [() => judgeTerminationRedelivery(undefined, false), "its backend has ended"],
  [() => judgePinRedelivery(undefined, undefined), "is not known any more"],
  [() => judgePinRedelivery(pin, undefined), "does not exist any more"],
  [() => judgePinRedelivery(pin, { ...pin, cluster: "us" }), "is on another cluster now"],
  [() => judgePinRedelivery(pin, { ...pin, revision: 8 }), "it announced revision 7"],
] as const)("a redelivery that is of no use is refused with the reason: %#", ([judge, reason]) => {
  expect(judge()).toMatchObject({
    error: { message: expect.stringMatching(`^this webhook cannot be sent again: .*${reason}`) },
  });
});
