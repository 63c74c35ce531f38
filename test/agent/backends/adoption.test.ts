import { expect, test } from "vitest";
import { adoptionOf } from "../../../src/agent/backends/adoption.ts";

test.for([
  ["scheduled", false, "launch"],
  ["loading", false, "launch"],
  ["starting", false, "launch"],
  ["waiting", false, "end"],
  ["ready", false, "end"],
  ["terminating", false, "end"],
  ["hard-terminating", false, "end"],
  ["terminated", false, "none"],
  ["scheduled", true, "watch"],
  ["loading", true, "watch"],
  ["starting", true, "watch"],
  ["waiting", true, "watch"],
  ["ready", true, "watch"],
  ["terminating", true, "watch"],
  ["hard-terminating", true, "watch"],
  ["terminated", true, "remove"],
] as const)("what was %s, and is in the runtime: %s, is taken over by: %s", ([status, isFound, adoption]) => {
  expect(adoptionOf(status, isFound)).toBe(adoption);
});
