import { AmountAxis, type Area, amountAxisWidth, TimeAxis } from "./axes.tsx";
import { type Frame, NothingToPlot, PlotFigure, textWidth } from "./figure.tsx";
import type { Point } from "./points.ts";
import { finite } from "./points.ts";
import { amountTicks } from "./scales/amount-ticks.ts";
import { coordinate, linearScale } from "./scales/linear-scale.ts";
import { momentText } from "./time-text.ts";

const mostSamples = 60;
const dataHeight = 70;
const mostAmountTicks = 3;

/**
 * A line through the last 60 samples, with the latest in words.
 * @param label what is measured, as a heading that no other plot of the page has: "Memory used"
 * @param samples oldest first; below 0 is drawn as 0, what is not a number is left out
 * @param text formats a value with its unit, also the round values of the axis
 * @param smallestStep the least distance of those round values, a power of ten: 1 for bytes, 0.01 for shares of one
 */
export function MetricPlot({
  label,
  samples,
  text,
  smallestStep,
}: {
  label: string;
  samples: readonly Point[];
  text(value: number): string;
  smallestStep: number;
}) {
  const shown = finite(samples).slice(-mostSamples);
  const latest = shown.at(-1);
  if (latest === undefined) {
    return <NothingToPlot heading={<strong>{label}</strong>}>No samples yet.</NothingToPlot>;
  }
  const values = shown.map(({ value }) => value);
  const since = momentText(shown[0]?.at ?? latest.at, "second");
  const spread =
    shown.length === 1
      ? "the only sample so far"
      : `between ${text(Math.min(...values))} and ${text(Math.max(...values))} since ${since} UTC`;
  return (
    <PlotFigure
      heading={
        <>
          <strong>{label}</strong>: {text(latest.value)}, {spread}
        </>
      }
      essence={`${label}: ${text(latest.value)} at ${momentText(latest.at, "second")} UTC, ${spread}.`}
      draw={(frame) => drawn(shown, { text, smallestStep }, frame)}
      table={{
        caption: `${label}, last ${mostSamples} samples`,
        head: ["Time (UTC)", label],
        rows: shown.map(({ at, value }) => [momentText(at, "second"), text(value)]),
      }}
    />
  );
}

function drawn(
  samples: readonly Point[],
  { text, smallestStep }: { text(value: number): string; smallestStep: number },
  frame: Frame,
) {
  const first = samples[0]?.at ?? 0;
  const last = samples.at(-1)?.at ?? first;
  const ticks = amountTicks(Math.max(...samples.map(({ value }) => value)), mostAmountTicks, smallestStep);
  const top = frame.font * 0.8;
  const area: Area = {
    left: amountAxisWidth(ticks.map(text), frame),
    // Room for the right half of the last time label, which is centred below the end of the line.
    right: frame.width - textWidth(4, frame),
    top,
    bottom: top + dataHeight,
  };
  const x = linearScale([first, last], [area.left, area.right]);
  const y = linearScale([0, ticks.at(-1) ?? smallestStep], [area.bottom, area.top]);
  const places = samples.map(({ at, value }) => `${coordinate(x(at))} ${coordinate(y(Math.max(value, 0)))}`);
  const [endX = 0, endY = 0] = (places.at(-1) ?? "").split(" ");
  const ends = first === last ? [last] : [first, last];
  return {
    height: Math.ceil(area.bottom + frame.font + 12),
    content: (
      <>
        <AmountAxis ticks={ticks} text={text} area={area} frame={frame} />
        <TimeAxis
          ticks={ends.map((at) => ({ at, text: momentText(at, "second").slice(11) }))}
          x={x}
          area={area}
          frame={frame}
        />
        <path class="line s0" d={`M${places.join("L")}`} />
        <circle class="latest" cx={endX} cy={endY} r="4" />
      </>
    ),
  };
}
