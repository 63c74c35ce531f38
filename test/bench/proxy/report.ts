import { table } from "../table.ts";
import type { ProxySpeed, Speed } from "./measure.ts";

/** Throughputs and latencies through the agent beside the reference's and the backend's own, for people. */
export function proxyTable(speeds: readonly ProxySpeed[]): string {
  const cells = (part: keyof Speed, digits: number, { agent, nginx, backend }: ProxySpeed) =>
    [agent, nginx, backend].map((speed) => speed?.[part].toFixed(digits) ?? "-");
  return table([
    [
      "proxy, against nginx and the backend alone",
      ...["per s", "nginx", "backend", "ratio to nginx", "to backend"],
      ...["p50 ms", "nginx", "backend", "p99 ms", "nginx", "backend", "aim"],
    ],
    ...speeds.map((speed) => [
      speed.load,
      ...cells("perSecond", 0, speed),
      ...[speed.ratioToNginx?.toFixed(2) ?? "-", speed.ratioToBackend.toFixed(2)],
      ...cells("p50Ms", 2, speed),
      ...cells("p99Ms", 2, speed),
      speed.aim === null ? "" : `>= ${speed.aim.minRatio} of nginx: ${speed.aim.met ? "met" : "missed"}`,
    ]),
  ]);
}
