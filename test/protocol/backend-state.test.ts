import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  backendStatuses,
  type StatusEntry,
  terminationKinds,
  terminationReasons,
} from "../../src/domain/backends/status.ts";
import { fullState, publicState, toFullState, toPublicState } from "../../src/protocol/backend-state.ts";

const time = Date.UTC(2026, 10, 23, 9);
const ended: StatusEntry = {
  status: "terminated",
  time,
  termination_reason: "external",
  termination_kind: "hard",
  exit_code: 137,
  last_status: "ready",
};

const entry = fc.record(
  {
    status: fc.constantFrom(...backendStatuses),
    time: fc.integer({ min: 0, max: Date.UTC(9999, 0) }),
    termination_reason: fc.constantFrom(...terminationReasons),
    termination_kind: fc.constantFrom(...terminationKinds),
    exit_code: fc.integer({ min: -1, max: 255 }),
    last_status: fc.constantFrom(...backendStatuses),
  },
  { requiredKeys: ["status", "time"] },
);

describe("a v2 state", () => {
  test("shows the public whether the end was an error, and no more", () => {
    expect(toPublicState(ended)).toEqual({
      status: "terminated",
      time: "2026-11-23T09:00:00.000Z",
      termination_reason: "external",
      termination_kind: "hard",
      exit_error: true,
    });
  });

  test("shows a token's holder the exit code and the last status", () => {
    expect(toFullState(ended)).toEqual({
      status: "terminated",
      time: "2026-11-23T09:00:00.000Z",
      termination_reason: "external",
      termination_kind: "hard",
      exit_code: 137,
      last_status: "ready",
    });
  });

  test.for([
    [0, false],
    [1, true],
    [-1, true],
    [137, true],
  ] as const)("an exit with %i is an error: %s", ([exit_code, exit_error]) => {
    expect(toPublicState({ ...ended, exit_code })).toHaveProperty("exit_error", exit_error);
  });

  test("an unknown exit is neither an error nor none", () => {
    const { exit_code: _unknown, ...entryWithout } = ended;
    expect(toPublicState(entryWithout)).not.toHaveProperty("exit_error");
    expect(toFullState(entryWithout)).not.toHaveProperty("exit_code");
  });

  test("leaves out what is unknown and never carries null or undefined, and is what its schema says", () => {
    fc.assert(
      fc.property(entry, (each) => {
        for (const [state, schema] of [
          [toPublicState(each), publicState],
          [toFullState(each), fullState],
        ] as const) {
          for (const value of Object.values(state)) expect(value ?? null).not.toBeNull();
          expect(schema.parse(state)).toEqual(state);
          expect(new Date(state.time).getTime()).toBe(each.time);
        }
      }),
    );
  });

  test.for(["termination_reason", "termination_kind", "exit_error"])(
    "with a null %s is malformed",
    (field) => {
      expect(publicState.safeParse({ ...toPublicState(ended), [field]: null }).success).toBe(false);
    },
  );
});
