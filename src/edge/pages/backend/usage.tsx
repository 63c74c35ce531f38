import type { BackendInfo } from "../../../objects/contract.ts";
import type { UsageSample } from "../../../protocol/backend-metrics.ts";
import { readUsage } from "../../streams/backend-output.ts";
import { sizeText } from "../elements/amount-text.ts";
import { Command } from "../elements/command.tsx";
import { pathOf } from "../elements/paths.ts";
import { Table } from "../elements/table.tsx";
import { closeEventName } from "../frame/stream-events.ts";
import { MetricPlot } from "../plots/metric-plot.tsx";
import type { OutputRenderer } from "./output-renderer.ts";
import { Part } from "./part.tsx";

/** Samples on the page; there is about one a second. */
const samplesKept = 60;

/** A sample of a backend's usage. */
export interface UsagePoint {
  /** When it was received, in milliseconds since the epoch. */
  at: number;
  /** The share of the machine's processors, 0 to 1; null where it is unknown. */
  cpuShare: number | null;
  memoryUsedBytes: number;
  /** Its limit. */
  memoryLimitBytes: number;
}

/** The plots of a backend's recent usage. @param points oldest first */
export function UsageSummary({ points }: { points: readonly UsagePoint[] }) {
  const last = points.at(-1);
  if (!last) return <p>Nothing was measured yet.</p>;
  const cpu = points.flatMap(({ cpuShare }) => cpuShare ?? []);
  const memory = points.map(({ memoryUsedBytes }) => memoryUsedBytes);
  return (
    <>
      <div class="cards">
        <MetricPlot
          label="CPU"
          samples={points.flatMap(({ at, cpuShare }) => (cpuShare === null ? [] : [{ at, value: cpuShare }]))}
          text={shareText}
          smallestStep={0.001}
        />
        <MetricPlot
          label="Memory"
          samples={points.map(({ at, memoryUsedBytes }) => ({ at, value: memoryUsedBytes }))}
          text={sizeText}
          smallestStep={1}
        />
      </div>
      <Table
        caption={`${points.length} measurements, about one each second; CPU as a share of the whole machine`}
        head={["Resource", "Now", "On average", "At most", "Limit"]}
      >
        <tr>
          <th scope="row">CPU</th>
          <td>{shareText(last.cpuShare)}</td>
          <td>{shareText(average(cpu))}</td>
          <td>{shareText(cpu.length === 0 ? null : Math.max(...cpu))}</td>
          <td>100 %</td>
        </tr>
        <tr>
          <th scope="row">Memory</th>
          <td>{sizeText(last.memoryUsedBytes)}</td>
          <td>{sizeText(average(memory) ?? 0)}</td>
          <td>{sizeText(Math.max(...memory))}</td>
          <td>{sizeText(last.memoryLimitBytes)}</td>
        </tr>
      </Table>
    </>
  );
}

function average(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function shareText(share: number | null): string {
  return share === null ? "unknown" : `${(share * 100).toFixed(1)} %`;
}

/** A live backend's usage, filled by its stream. */
export function UsageSection({ info }: { info: BackendInfo }) {
  return (
    <section
      id="usage"
      class="amounts"
      aria-labelledby="usage-heading"
      hx-sse:connect={pathOf.backendLiveUsage(info.id)}
      hx-sse:close={closeEventName}
      hx-swap="none"
    >
      <h2 id="usage-heading">CPU and memory</h2>
      <div id="usage-now">
        <noscript>
          <p>Shown where scripts run. From a terminal:</p>
        </noscript>
        <Command>{`npx slipway backends metrics ${info.id}`}</Command>
      </div>
      <p id="usage-state" class="stream-state" role="status"></p>
    </section>
  );
}

/** Shows why there is no usage. */
export function NoUsage({ why }: { why: string }) {
  return <Part into="usage-state">{why}</Part>;
}

/** Renders a live backend's samples for its page, each time with the recent ones before. */
export function usageRenderer(): OutputRenderer {
  let points: UsagePoint[] = [];
  return {
    opening: <Part into="usage-state">Waiting for a measurement.</Part>,
    render(lines) {
      const received = lines.flatMap((line) => readUsage(line) ?? []);
      if (received.length === 0) return null;
      const isFirst = points.length === 0;
      points = [...points, ...received.map((sample) => usagePoint(sample, Date.now()))].slice(-samplesKept);
      return (
        <>
          <Part into="usage-now" how="innerMorph">
            <UsageSummary points={points} />
          </Part>
          {isFirst ? <Part into="usage-state">Live.</Part> : null}
        </>
      );
    },
    closing: () => null,
  };
}

function usagePoint({ mem_used, mem_available, cpu_used, sys_cpu }: UsageSample, at: number): UsagePoint {
  return {
    at,
    cpuShare: sys_cpu === 0 ? null : cpu_used / sys_cpu,
    memoryUsedBytes: mem_used,
    memoryLimitBytes: mem_used + mem_available,
  };
}
