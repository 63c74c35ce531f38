import { test as base, vi } from "vitest";
import { freezeClock } from "./clock.ts";
import { startScriptedCluster } from "./scripted-cluster.ts";

/** A test that may use a cluster at `https://cluster.test`, which is that of all tests of the file. */
export const clusterTest = base.extend("cluster", { scope: "file" }, () => startScriptedCluster());

/** A test in which time passes only as it is set, from `frozenAt` on. */
export const clockTest = base.extend("clock", { auto: true }, ({ task: _ }, { onCleanup }) => {
  freezeClock();
  onCleanup(() => {
    vi.useRealTimers();
  });
});

/**
 * A test in which time passes only as it is set, and with a cluster of its own at `https://cluster.test`: it accepts
 * every webhook until the test scripts its answers. What the test mocks is restored after it.
 */
export const isolatedClusterTest = clockTest.extend(
  "cluster",
  { auto: true },
  ({ clock: _ }, { onCleanup }) => {
    onCleanup(() => {
      vi.restoreAllMocks();
    });
    return startScriptedCluster();
  },
);
