import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type Journal, openJournal } from "../../../src/agent/backends/journal.ts";
import { runningOf } from "../../support/process.ts";
import { type AgentProcessOptions, startAgentProcess } from "./agent-process.ts";
import { type ClusterOptions, startCluster, testFolder, testSlipway } from "./cluster.ts";
import { spawnData } from "./deliveries.ts";
import type { ImageName } from "./images.ts";
import { processesIn } from "./quick.ts";

/** Slipway, a folder for agents that are killed, and one backend without a key. What runs at the end is ended. */
export async function theCase(image: ImageName, changes: Record<string, unknown> = {}) {
  const slipway = await testSlipway();
  const dir = await testFolder();
  const startsFile = join(dir, "starts");
  const data = spawnData(image, { env: { STARTS_FILE: startsFile }, key: null, ...changes });
  const at = {
    slipway,
    dir,
    data,
    id: data.backend_id,
    /** The processes that were ever started for backends. */
    starts: () =>
      existsSync(startsFile) ? readFileSync(startsFile, "utf8").trim().split("\n").map(Number) : [],
    running: () => runningOf(at.starts()),
    /** Starts an agent in a process of its own, which can be killed. */
    start: (options: Partial<AgentProcessOptions> = {}) => startAgentProcess(slipway, { dir, ...options }),
    /** Starts the agent that takes over from one that was killed: in this process, which takes far less time. */
    takeOver: (options: ClusterOptions = {}) =>
      startCluster({ slipway, dir, publicUrl: "https://backends.example.com", leased: false, ...options }),
    /** The statuses that Slipway has acknowledged, without repetitions. */
    reported: () => [...new Set(slipway.statusesOf(at.id))],
    /** Which backends the runtime still has. */
    left: async () => (await processesIn(dir).list()).map(({ backendId }) => backendId),
    /** Changes what an agent that has died has left. */
    rewrite(change: (journal: Journal) => void) {
      const journal = openJournal(join(dir, "state"), { account: "acme", cluster: "eu-prod" });
      change(journal);
      journal.close();
    },
    /** Makes everything that has happened to backends happen earlier. */
    age: (ms: number) =>
      at.rewrite((journal) => {
        for (const { spawn, history, failure } of journal.backends()) {
          const earlier = history.map((entry) => ({ ...entry, time: entry.time - ms }));
          journal.setHistory(spawn.backend_id, earlier, failure);
        }
      }),
  };
  onTestFinished(async () => {
    for (const pid of await at.running()) process.kill(pid, "SIGKILL");
  });
  return at;
}
