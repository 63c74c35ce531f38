import { pause } from "../../agent/timers.ts";
import { resolveAnswer } from "../../protocol/v3/services.ts";
import { demoAccount } from "../account.ts";
import { apiClient } from "../api.ts";
import { clusterNames } from "../clusters.ts";
import { demoEnvironments, demoService } from "./seed.ts";

const lookEveryMs = 50;

/**
 * Resolves when the demo's environments start backends as far as their agents are concerned: an agent that was stopped has
 * left its cluster draining until its next start is known. Never rejects; gives up when the signal is aborted.
 */
export async function untilDemoStarts(
  { apiUrl, token }: { apiUrl: string; token: string },
  signal: AbortSignal,
): Promise<void> {
  const api = apiClient(apiUrl, token, ["accounts", demoAccount, "services", demoService, "environments"]);
  const isWaiting = async (name: string) => {
    const resolved = await api.get([name, "resolve"], resolveAnswer);
    if (!resolved.ok) return false;
    const { cluster, refusals } = resolved.value.body;
    const isOurs = Object.values<string | null>(clusterNames).includes(cluster);
    return isOurs && refusals.some(({ code }) => code === "cluster_unavailable");
  };
  for (const { name } of demoEnvironments) {
    while (!signal.aborted && (await isWaiting(name))) await pause(lookEveryMs, signal);
  }
}
