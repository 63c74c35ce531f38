import { type BackendStatus, type StatusEntry, statusRank } from "../../../domain/backends/status.ts";
import { durationText } from "../elements/amount-text.ts";
import { NothingToPlot, PlotFigure } from "./figure.tsx";
import { leastSegment, segmentBar, WidthNote } from "./segment-bar.tsx";
import { sharesWithMinimum } from "./spacing.ts";
import { momentText } from "./time-text.ts";

/**
 * How long a backend was in each of its statuses: hollow until it is ready, filled while it is, dashed while it ends;
 * `terminated`, which does not last, is a block at the end.
 * @param history in order, as it is stored
 * @param until now, in milliseconds since the epoch: how far the last status of a live backend reaches
 */
export function Timeline({
  label = "Statuses",
  history,
  until,
}: {
  label?: string;
  history: readonly Pick<StatusEntry, "status" | "time">[];
  until: number;
}) {
  const heading = <strong>{label}</strong>;
  const steps = history.map(({ status, time }, index) => ({
    status,
    time,
    // Statuses are stamped where they are reported, and a clock may have been set back meanwhile.
    lastedMs: status === "terminated" ? 0 : Math.max((history[index + 1]?.time ?? until) - time, 0),
  }));
  const last = steps.at(-1);
  if (last === undefined) return <NothingToPlot heading={heading}>No status yet.</NothingToPlot>;
  const wholeMs = steps.reduce((sum, { lastedMs }) => sum + lastedMs, 0);
  const texts = steps.map((step) => ({ ...step, text: lastedText(step, step === last) }));
  const whole =
    last.status === "terminated"
      ? `${durationText(wholeMs)} from ${steps[0]?.status} to terminated`
      : `${durationText(wholeMs)} so far, now ${last.status}`;
  return (
    <PlotFigure
      heading={
        <>
          {heading}: {whole}
        </>
      }
      essence={`${label}: ${whole}; ${texts.map(({ status, text }) => `${status} ${text}`).join(", ")}.`}
      draw={(frame) => {
        const least = leastSegment(frame);
        const end = last.status === "terminated" ? [{ length: least, looks: looksOf("terminated") }] : [];
        const lasting = end.length > 0 ? steps.slice(0, -1) : steps;
        const amounts = lasting.map(({ lastedMs }) => lastedMs);
        const lengths = sharesWithMinimum(amounts, frame.width - end.length * least, least);
        const segments = lasting.map(({ status }, index) => ({
          length: lengths[index] ?? least,
          looks: looksOf(status),
        }));
        return segmentBar([...segments, ...end], frame);
      }}
      table={{
        caption: `${label}, exact times`,
        head: ["Status", "Since (UTC)", "Lasted"],
        rows: texts.map(({ status, time, text }) => [status, momentText(time, "millisecond"), text]),
      }}
    >
      <ol class="legend">
        {texts.map(({ status, text }) => (
          <li>
            {status}: {text}
          </li>
        ))}
      </ol>
      {texts.length > 1 ? <WidthNote /> : null}
    </PlotFigure>
  );
}

function lastedText(
  { status, lastedMs }: { status: BackendStatus; lastedMs: number },
  isLast: boolean,
): string {
  if (status === "terminated") return "the end";
  return isLast ? `${durationText(lastedMs)} so far` : durationText(lastedMs);
}

function looksOf(status: BackendStatus): { class: string } {
  if (status === "terminated") return { class: "part end" };
  const rank = statusRank(status);
  const ready = statusRank("ready");
  if (rank < ready) return { class: "part before" };
  return { class: rank === ready ? "part during" : "part after" };
}
