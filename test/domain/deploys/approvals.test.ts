import { expect, test } from "vitest";
import { changeState, changeStates } from "../../../src/domain/deploys/approvals.ts";
import { changeOpenMs } from "../../../src/domain/limits.ts";

const open = { state: "open", revision: 3, at: 1_000 } as const;

test("a change is open for a day, as long as its environment stays as it is", () => {
  expect(changeState(open, 3, 1_000)).toBe("open");
  expect(changeState(open, 3, 999 + changeOpenMs)).toBe("open");
  expect(changeState(open, 3, 1_000 + changeOpenMs)).toBe("expired");
  expect(changeState(open, 4, 1_000)).toBe("overtaken");
  expect(changeState(open, null, 1_000)).toBe("overtaken");
  expect(changeState(open, 4, 1_000 + changeOpenMs)).toBe("overtaken");
});

test("what has ended stays as it ended", () => {
  for (const state of changeStates.filter((one) => one !== "open")) {
    expect(changeState({ ...open, state }, 9, Number.MAX_SAFE_INTEGER)).toBe(state);
  }
});
