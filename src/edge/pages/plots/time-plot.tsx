import { AmountAxis, type Area, amountAxisWidth, Nothing, TimeAxis, timeTicksThatFit } from "./axes.tsx";
import { type Buckets, barsPath, bucketed, type Series, stepPath } from "./buckets.ts";
import { type Frame, PlotFigure, shortened, textWidth } from "./figure.tsx";
import { inRange, type Mark, MarkList, Marks } from "./marks.tsx";
import { amountTicks, countText } from "./scales/amount-ticks.ts";
import { coordinate, linearScale } from "./scales/linear-scale.ts";
import { timeTicks } from "./scales/time-ticks.ts";
import { spreadApart } from "./spacing.ts";
import { momentText, spanText } from "./time-text.ts";

const dataHeight = 150;
const mostAmountTicks = 5;

interface Plotted extends Buckets {
  series: readonly Series[];
  marks: readonly Mark[];
  from: number;
  until: number;
}

/**
 * Counts over time: bars for one series, dashed step lines for up to six. Points within one bucket are added up; a
 * bucket without points counts 0. Whatever is outside of the range is left out.
 * @param label what is counted, as a heading that no other plot of the page has: "Spawns"
 * @param from milliseconds since the epoch
 * @param until after `from`
 * @param bucketMs width of a bucket; buckets begin at its multiples since the epoch. The range has at most a few hundred
 * @param marks moments to look for, each with where it leads
 */
export function TimePlot({
  label,
  series,
  from,
  until,
  bucketMs,
  marks = [],
}: {
  label: string;
  series: readonly Series[];
  from: number;
  until: number;
  bucketMs: number;
  marks?: readonly Mark[];
}) {
  const buckets = bucketed(series, { from, until, bucketMs });
  const plotted: Plotted = { ...buckets, series, marks: inRange(marks, from, until), from, until };
  const range = `${momentText(from, "minute")} to ${momentText(until, "minute")} UTC`;
  return (
    <PlotFigure
      heading={
        <>
          <strong>{label}</strong>, {range}
        </>
      }
      essence={`${label}, ${range}: ${essenceOf(plotted)}.`}
      draw={(frame) => drawn(plotted, frame)}
      table={tableOf(label, plotted)}
    >
      {series.length > 1 ? <Legend series={series} counts={buckets.counts} /> : null}
      <MarkList marks={plotted.marks} />
    </PlotFigure>
  );
}

const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);
const largest = (counts: readonly number[]) => counts.reduce((most, count) => Math.max(most, count), 0);

function essenceOf({ series, counts, bucketMs, marks }: Plotted): string {
  const sentences = counts.map((own, index) => {
    const label = series.length > 1 ? `${series[index]?.label} ` : "";
    return `${label}${sum(own)} in all, at most ${largest(own)} in ${spanText(bucketMs)}`;
  });
  const counted = largest(counts.flat()) === 0 ? ["none"] : sentences;
  const marked = marks.length > 0 ? [marks.length === 1 ? "1 mark" : `${marks.length} marks`] : [];
  return [...counted, ...marked].join("; ");
}

function drawn(plotted: Plotted, frame: Frame) {
  const { series, counts, starts, bucketMs, marks, from, until } = plotted;
  const ticks = amountTicks(largest(counts.flat()), mostAmountTicks);
  const top = marks.length > 0 ? frame.font + 10 : frame.font * 0.8;
  const named =
    series.length > 1 ? series.map(({ label }) => shortened(label, Math.floor(frame.width / 30))) : [];
  const area: Area = {
    left: amountAxisWidth(ticks.map(countText), frame),
    right: frame.width - (named.length > 0 ? textWidth(longest(named), frame) + 8 : 8),
    top,
    bottom: top + dataHeight,
  };
  const time = linearScale([from, until], [area.left, area.right]);
  const within = (place: number) => Math.min(Math.max(place, area.left), area.right);
  const x = (index: number) => within(time((starts[0] ?? from) + index * bucketMs));
  const y = linearScale([0, ticks.at(-1) ?? 1], [area.bottom, area.top]);
  const ends = counts.map((own) => y(own.at(-1) ?? 0));
  const labelPlaces = spreadApart(ends, frame.font + 2, area.top, area.bottom);
  return {
    height: Math.ceil(area.bottom + frame.font + 12),
    content: (
      <>
        <AmountAxis ticks={ticks} text={countText} area={area} frame={frame} />
        <TimeAxis
          ticks={timeTicks(from, until, timeTicksThatFit(area, until - from, frame))}
          x={time}
          area={area}
          frame={frame}
        />
        {counts.length === 1
          ? counts.map((own) => <path class="bars" d={barsPath(own, { x, y })} />)
          : counts.map((own, index) => <path class={`line s${index % 6}`} d={stepPath(own, { x, y })} />)}
        {named.map((text, index) => (
          <text x={coordinate(area.right + 6)} y={coordinate((labelPlaces[index] ?? 0) + frame.font / 3)}>
            {text}
          </text>
        ))}
        {largest(counts.flat()) === 0 ? <Nothing area={area}>none in this time</Nothing> : null}
        <Marks marks={marks} x={time} area={area} frame={frame} />
      </>
    ),
  };
}

const longest = (texts: readonly string[]) => Math.max(...texts.map((text) => [...text].length));

function Legend({ series, counts }: { series: readonly Series[]; counts: readonly number[][] }) {
  return (
    <ul class="legend">
      {series.map(({ label }, index) => (
        <li>
          <svg class="swatch" viewBox="0 0 40 12" aria-hidden="true">
            <path class={`line s${index % 6}`} d="M0 6H40" />
          </svg>{" "}
          {label}: {sum(counts[index] ?? [])}
        </li>
      ))}
    </ul>
  );
}

function tableOf(label: string, { series, counts, starts, bucketMs }: Plotted) {
  const shown = starts.flatMap((at, index) => {
    const cells = counts.map((own) => own[index] ?? 0);
    return largest(cells) > 0 ? [[momentText(at, bucketMs < 60_000 ? "second" : "minute"), ...cells]] : [];
  });
  const leftOut = shown.length < starts.length ? "; times with none are left out" : "";
  return {
    caption: `${label} in each ${spanText(bucketMs)}${leftOut}`,
    head: ["From (UTC)", ...series.map((own) => own.label)],
    rows: shown,
  };
}
