import { describe, expect, test } from "vitest";
import { recoveryDelayMs } from "../../../src/domain/limits.ts";
import { SpawnDeliveryState } from "../../../src/objects/service/deliveries/delivery-state.ts";
import type { KeptBackend } from "../../../src/objects/service/sql/service.sql.ts";

const now = 1_000_000;

function row(extra: Partial<KeptBackend> = {}): KeptBackend {
  return {
    id: "k3f9q7h3kq2m9",
    environment: "default",
    cluster: "main",
    key: null,
    digest: "",
    status: "scheduled",
    status_at: now - 5_000,
    fencing_token: 1,
    created_at: now - 5_000,
    attempts: 0,
    next_attempt_at: now,
    deadline_at: null,
    untold: 0,
    agent: null,
    held_at: null,
    ended: 0,
    reason: null,
    base_url: null,
    spec: "{}",
    ...extra,
  };
}

/** The state with the statements that it ran, by name. */
function recordedState() {
  const ran: unknown[][] = [];
  const statement =
    (name: string) =>
    (...params: unknown[]) => {
      ran.push([name, ...params]);
      return true;
    };
  const state = new SpawnDeliveryState({
    acknowledge: statement("acknowledge"),
    acknowledgeWithUrl: statement("acknowledgeWithUrl"),
    acknowledgeWithStatus: statement("acknowledgeWithStatus"),
    retrySpawn: statement("retrySpawn"),
  });
  return { state, ran };
}

describe("a spawn", () => {
  test("is acknowledged where its row says so", () => {
    const { state } = recordedState();
    expect(state.isAcknowledged(row())).toBe(false);
    expect(state.isAcknowledged(row({ next_attempt_at: null }))).toBe(true);
  });

  test("whose first attempt is acknowledged writes nothing until its service writes anyway", () => {
    const { state, ran } = recordedState();
    state.acknowledge(row());
    expect(state.isAcknowledged(row())).toBe(true);
    expect(ran).toEqual([]);
    expect(state.flush()).toBe(true);
    expect(ran).toEqual([["acknowledge", [row().id]]]);
    expect(state.flush()).toBe(false);
  });

  test("that had to be repeated is written at once when it is acknowledged", () => {
    const { state, ran } = recordedState();
    state.acknowledge(row({ attempts: 1 }));
    expect(ran).toEqual([["acknowledge", [row().id]]]);
    expect(state.flush()).toBe(false);
  });

  test("that is acknowledged with its URL or a status is one row written, and none later", () => {
    const { state, ran } = recordedState();
    state.acknowledge(row());
    state.acknowledgeWithUrl(row().id, "http://a.test");
    const ready = { id: row().id, status: "ready", status_at: now, reason: null } as const;
    state.acknowledge(row());
    const step = { base_url: null, deadline_at: null, untold: false, entered: [] };
    state.acknowledgeWithStatus({ ...ready, ...step });
    expect(ran.map(([name]) => name)).toEqual(["acknowledgeWithUrl", "acknowledgeWithStatus"]);
    expect(state.flush()).toBe(false);
  });

  test("is overdue where nothing has attempted it for long after its time, unless it is acknowledged", () => {
    const { state } = recordedState();
    const late = row({ next_attempt_at: now - recoveryDelayMs - 1 });
    expect(state.isOverdue(row({ next_attempt_at: now - recoveryDelayMs }), now)).toBe(false);
    expect(state.isOverdue(late, now)).toBe(true);
    state.acknowledge(late);
    expect(state.isOverdue(late, now)).toBe(false);
  });
});

describe("a cluster may run what a spawn was to start", () => {
  const declined = (isFirst: boolean) => ({ isFirst, declined: true });
  const failed = { isFirst: true, declined: false };

  test("unless this object has made every attempt, and each was declined", () => {
    const { state } = recordedState();
    expect(state.mayRunAfter(row(), declined(true))).toBe(false);
    expect(state.mayRunAfter(row(), declined(false))).toBe(false);
    expect(state.mayRunAfter(row(), { ...failed, isFirst: false })).toBe(true);
    expect(state.mayRunAfter(row(), declined(false))).toBe(true);
  });

  test("where an attempt before was lost with its process, or the cluster has acknowledged it", () => {
    const { state } = recordedState();
    expect(state.mayRunAfter(row(), declined(false))).toBe(true);
    expect(state.mayRunAfter(row(), failed)).toBe(true);
    state.acknowledge(row({ attempts: 0 }));
    expect(state.mayRunAfter(row(), declined(true))).toBe(true);
  });
});

describe("a backend is expected on its agent's list", () => {
  test("from its creation, where the first attempt was acknowledged", () => {
    const { state } = recordedState();
    expect(state.expectedAt(row(), now)).toBe(row().created_at);
  });

  test("from when its repeated spawn is first seen to be acknowledged, until it reports a status", () => {
    const { state } = recordedState();
    const repeated = row({ attempts: 2 });
    expect(state.expectedAt(repeated, now)).toBe(now);
    expect(state.expectedAt(repeated, now + 10)).toBe(now + 10);
    const acknowledged = row({ attempts: 2, next_attempt_at: null });
    expect(state.expectedAt(acknowledged, now + 20)).toBe(now + 20);
    expect(state.expectedAt(acknowledged, now + 30)).toBe(now + 20);
    expect(state.expectedAt({ ...acknowledged, status: "loading", status_at: now + 25 }, now + 40)).toBe(
      now + 25,
    );
  });
});
