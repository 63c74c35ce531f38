import { describe, expect, test } from "vitest";
import {
  afterDeliveryCursor,
  batchesToDrop,
  deliveryCursor,
  groupedDeliveries,
  recordedResult,
  type ServiceAttempt,
} from "../../../src/domain/deliveries/delivery-log.ts";

const day = 24 * 3600 * 1000;
const now = 100 * day;

function attempt(id: string, number: number, more: Partial<ServiceAttempt> = {}): ServiceAttempt {
  return {
    id,
    type: "backend.spawn",
    service: "hello",
    attempt: number,
    time: now - 10_000 + number,
    durationMs: 5,
    status: 500,
    error: "the cluster answered 500",
    ...more,
  };
}
const delivered = { status: 200, error: null };

function answered(status: number, body = "") {
  return { outcome: "response", status, date: null, retryAfter: null, location: null, body } as const;
}

describe("deliveries", () => {
  test("hold the attempts of one webhook together, oldest first, and stand newest first", () => {
    const grouped = groupedDeliveries(
      [attempt("b", 2), attempt("a", 1), attempt("b", 3), attempt("a", 4)],
      now,
    );
    expect(grouped.map(({ id, attempts }) => [id, attempts.map((one) => one.attempt)])).toEqual([
      ["b", [2, 3]],
      ["a", [1, 4]],
    ]);
  });

  test("count an attempt once that was recorded twice", () => {
    const [one] = groupedDeliveries([attempt("a", 1), attempt("a", 1)], now);
    expect(one?.attempts).toHaveLength(1);
  });

  test("are made of the newest 2,000 attempts, none of them 7 days old", () => {
    const many = Array.from({ length: 2_003 }, (_, i) => attempt(`a${i}`, 1, { time: now - 5_000 + i }));
    const grouped = groupedDeliveries(many, now);
    expect([grouped.length, grouped[0]?.id, grouped.at(-1)?.id]).toEqual([2_000, "a2002", "a3"]);
    const aged = [attempt("old", 1, { time: now - 7 * day }), attempt("a", 1, { time: now - 7 * day + 1 })];
    expect(groupedDeliveries(aged, now).map(({ id }) => id)).toEqual(["a"]);
  });

  test("can be listed in pages that neither repeat nor miss one, also of the same millisecond", () => {
    const time = now - 1;
    const grouped = groupedDeliveries(
      ["c", "a", "e", "b", "d"].map((id) => attempt(id, 1, { time })),
      now,
    );
    for (const [i, delivery] of grouped.entries()) {
      const isAfter = afterDeliveryCursor(deliveryCursor(delivery));
      expect(grouped.filter((one) => isAfter?.(one))).toEqual(grouped.slice(i + 1));
    }
  });

  test.for(["", "5", "x-y", "1-", "-1-a", "1- a"])("%j is no cursor", (text) => {
    expect(afterDeliveryCursor(text)).toBeNull();
  });
});

describe("the outcome of a delivery", () => {
  /** The longest wait with its chance, an attempt, and two flushes of the log. */
  const patienceMs = 5 * 60_000 * 1.2 + 10_000 + 2 * 12_000;
  const cases: [outcome: string, why: string, attempts: ServiceAttempt[]][] = [
    ["delivered", "one attempt was acknowledged", [attempt("a", 1), attempt("a", 2, delivered)]],
    ["delivered", "a later repetition failed", [attempt("a", 1, delivered), attempt("a", 2)]],
    ["retrying", "the last attempt failed a while ago", [attempt("a", 1)]],
    ["retrying", "no answer came", [attempt("a", 1, { status: null, error: "no answer" })]],
    ["refused", "the cluster said no", [attempt("a", 1, { status: 409, error: "no room" })]],
    ["retrying", "a spawn did not find the agent", [attempt("a", 1, { status: 404, error: "404" })]],
    ["refused", "a pin did not", [attempt("a", 1, { status: 404, error: "404", type: "image.pinned" })]],
    ["refused", "the cluster redirects", [attempt("a", 1, { status: 308, error: "redirect" })]],
    [
      "retrying",
      "a termination was refused, which is repeated",
      [attempt("a", 1, { type: "backend.terminate", status: 403 })],
    ],
    ["retrying", "a spawn had its sixth attempt", [attempt("a", 6)]],
    ["given_up", "a spawn had its seventh attempt", [attempt("a", 7)]],
    ["retrying", "a termination had its seventh attempt", [attempt("a", 7, { type: "backend.terminate" })]],
    ["given_up", "no attempt has come for too long", [attempt("a", 1, { time: now - 400_000 })]],
    [
      "retrying",
      "the last attempt took ten seconds of the time",
      [attempt("a", 1, { time: now - patienceMs - 9_999, durationMs: 10_000 })],
    ],
    [
      "given_up",
      "a millisecond more has gone by since that",
      [attempt("a", 1, { time: now - patienceMs - 10_000, durationMs: 10_000 })],
    ],
    ["given_up", "a ping is not repeated", [attempt("a", 1, { type: "cluster.ping" })]],
  ];
  test.for(cases)("is %s where %s", ([outcome, , attempts]) => {
    expect(groupedDeliveries(attempts, now).map((one) => one.outcome)).toEqual([outcome]);
  });
});

describe("the record of an attempt", () => {
  test("has no error where the webhook was delivered", () => {
    expect(recordedResult("backend.spawn", answered(204))).toEqual({ status: 204, error: null });
  });

  test("takes a termination of what the cluster does not know for delivered, and nothing else", () => {
    expect(recordedResult("backend.terminate", answered(404, "{}"))).toEqual({ status: 404, error: null });
    expect(recordedResult("backend.terminate", answered(404, "no such page")).error).toContain("404");
    expect(recordedResult("backend.spawn", answered(404, "{}")).error).toContain("404");
  });

  test("has no status where no answer came", () => {
    expect(recordedResult("cluster.ping", { outcome: "timeout" })).toMatchObject({ status: null });
  });

  test("holds at most 300 characters of an error, and splits none", () => {
    const body = JSON.stringify({ error: { message: "😀".repeat(400) } });
    expect(recordedResult("backend.spawn", answered(409, body)).error).toBe("😀".repeat(300));
  });
});

describe("batches of attempts", () => {
  test("are dropped once newer ones hold 2,000 attempts, and not before", () => {
    const batches = [4, 3, 2, 1].map((seq) => ({ seq, at: now - 1, attempts: 1_000 }));
    expect(batchesToDrop(batches.slice(1), now)).toEqual([1]);
    expect(batchesToDrop(batches, now)).toEqual([2, 1]);
    expect(batchesToDrop(batches.slice(2), now)).toEqual([]);
  });

  test("are dropped after 7 days", () => {
    const batches = [
      { seq: 2, at: now - 7 * day + 1, attempts: 1 },
      { seq: 1, at: now - 7 * day, attempts: 1 },
    ];
    expect(batchesToDrop(batches, now)).toEqual([1]);
  });

  test("go a hundred at a time, the oldest first", () => {
    const batches = Array.from({ length: 500 }, (_, i) => ({ seq: 500 - i, at: 0, attempts: 1 }));
    expect(batchesToDrop(batches, now)).toEqual(Array.from({ length: 100 }, (_, i) => 100 - i));
  });
});

describe("a list that goes on", () => {
  const place = (time: number, id: string) => ({ id, first: { time } });

  test("has after a delivery what began earlier, and of what began with it the smaller ids", () => {
    const isAfter = afterDeliveryCursor(deliveryCursor(place(now, "m_spawn")));
    const found = [
      place(now + 1, "a_spawn"),
      place(now, "n_spawn"),
      place(now, "m_spawn"),
      place(now, "a_spawn"),
      place(now - 1, "z_spawn"),
    ].filter((delivery) => isAfter?.(delivery));
    expect(found).toEqual([place(now, "a_spawn"), place(now - 1, "z_spawn")]);
  });

  test("agrees with the order in which deliveries are listed", () => {
    const listed = groupedDeliveries(
      ["b", "a", "d", "c"].map((id) => attempt(id, 1, { time: now - 1000 })),
      now,
    );
    expect(listed.map(({ id }) => id)).toEqual(["d", "c", "b", "a"]);
    for (const [i, delivery] of listed.entries()) {
      const isAfter = afterDeliveryCursor(deliveryCursor(delivery));
      expect(listed.filter((other) => isAfter?.(other))).toEqual(listed.slice(i + 1));
    }
  });

  test.for(["", "-a", "1-", "x-a", "1-a b", "1-a\n", "1--a", `1-${"a".repeat(101)}`, "1234567890123456-a"])(
    "%j is no place in it",
    (cursor) => {
      expect(afterDeliveryCursor(cursor)).toBeNull();
    },
  );

  test.for(["0-a", `1-${"a".repeat(100)}`, "1-pinned_5f6c-7a"])("%s is one", (cursor) => {
    expect(afterDeliveryCursor(cursor)).not.toBeNull();
  });
});
