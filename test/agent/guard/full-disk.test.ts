import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { type Plan, writePlan } from "../../../src/agent/guard/guard-files.ts";
import { GuardKeeper } from "../../../src/agent/guard/guard-keeper.ts";
import { testFolder } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { failingDisk } from "../support/failing-disk.ts";

const planOf = (changes: Partial<Plan> = {}): Plan => ({
  runtime: { kind: "processes", dir: "/var/lib/slipway/processes" },
  agent_pid: 4711,
  stopped: null,
  ...changes,
});

describe("a plan for which there is no room", () => {
  const kinds = ["writeFile plan.json.unfinished", "rename plan.json"];

  test.for(kinds)("takes that of the one before: %s", async (kind) => {
    const dir = await testFolder();
    const disk = failingDisk(dir);
    const read = () => JSON.parse(readFileSync(join(dir, "plan.json"), "utf8"));
    for (const agent_pid of [2, 4_194_304]) {
      disk.makeRoom();
      writePlan(dir, planOf({ agent_pid }));
      disk.failAt(kind, "until there is room");
      for (const stopped of ["keep", "end", null] as const) {
        const plan = planOf({ agent_pid: 4_194_304, stopped });
        writePlan(dir, plan);
        expect(read()).toEqual({ format: 1, ...plan });
      }
      expect(disk.hasFailed()).toBe(true);
    }
  });

  test.for(kinds)("and before which there was none is said to be missing: %s", async (kind) => {
    const dir = await testFolder();
    const disk = failingDisk(dir);
    disk.failAt(kind, "until there is room");
    expect(() => writePlan(dir, planOf())).toThrow("no space left");
  });
});

test.runIf(process.platform === "linux")(
  "a guard that does not know what to guard counts for nothing, until that is written down",
  async () => {
    const stateDir = await testFolder();
    const plan = join(stateDir, "guard", "plan.json");
    const disk = failingDisk(stateDir);
    disk.failAt("writeFile guard/plan.json.unfinished", "until there is room");
    const events: string[] = [];
    let changes = 0;
    const keeper = new GuardKeeper({
      stateDir,
      runtime: { kind: "processes", dir: join(stateDir, "processes") },
      command: [],
      onChange: () => void changes++,
      log: (event) => events.push(event),
    });
    keeper.start();
    onTestFinished(() => keeper.close("end"));
    await eventually(() => events).toContain("guard.found");
    expect([keeper.isAlive, changes, existsSync(plan)]).toEqual([false, 1, false]);
    disk.makeRoom();
    await eventually(() => keeper.isAlive).toBe(true);
    expect(changes).toBe(2);
    expect(JSON.parse(readFileSync(plan, "utf8"))).toMatchObject({ agent_pid: process.pid, stopped: null });
  },
);
