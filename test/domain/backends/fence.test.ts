import { expect, test } from "vitest";
import { clusterFence, endsUnseen } from "../../../src/domain/backends/fence.ts";

const proof = { fence: "proof" } as const;
const lease = { fence: "lease" } as const;

test.for([
  ["a key frees itself with the lease", "doc", "lease", true],
  ["a key waits for proof where its cluster needs it", "doc", "proof", false],
  ["what holds no key keeps nobody waiting", null, "proof", true],
] as const)("%s", ([, key, fence, ends]) => {
  expect(endsUnseen({ key }, fence)).toBe(ends);
});

test.for([
  ["needs none without agents", [], [], "lease"],
  ["needs none where its agents end by the lease", [lease, lease], [], "lease"],
  ["needs proof where one agent does", [lease, proof], [], "proof"],
  ["needs proof where one that is gone did", [lease], ["a"], "proof"],
] as const)("a cluster %s", ([, agents, gone, fence]) => {
  expect(clusterFence(agents, gone)).toBe(fence);
});
