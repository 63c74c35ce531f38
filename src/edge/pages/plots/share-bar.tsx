import { rowsShownMax } from "../../../domain/limits.ts";
import { NothingToPlot, PlotFigure } from "./figure.tsx";
import { leastSegment, segmentBar, WidthNote } from "./segment-bar.tsx";
import { sharesWithMinimum } from "./spacing.ts";

const mostSegments = 6;

/** Patterns of 8 by 8 units. The first part is filled instead, and the rest of the parts stays empty. */
const hatchings = [
  "M0 0H8V8H0z",
  "M0 8L8 0M-2 2L2 -2M6 10L10 6",
  "M0 2H8M0 6H8",
  "M2 0V8M6 0V8",
  "M0 0L8 8M0 8L8 0",
  "M2 4H6M4 2V6",
] as const;

export interface Part {
  label: string;
  count: number;
  /** The page with more about it. */
  path?: string;
}

/** Parts that are only counted. */
interface Others {
  parts: number;
  count: number;
}

const nothing: Others = { parts: 0, count: 0 };

/**
 * The shares of a whole as one bar: the six largest, and one segment for all others.
 * @param others parts that are smaller than all that are given
 * @param label what the whole is, as a heading: "Live backends by digest"
 * @param id unique on the page, without spaces: prefix of the ids of its hatchings
 */
export function ShareBar({
  label,
  id,
  parts,
  others = nothing,
}: {
  label: string;
  id: string;
  parts: readonly Part[];
  others?: Others;
}) {
  const total = parts.reduce((sum, { count }) => sum + count, others.count);
  if (!(total > 0)) return <NothingToPlot heading={<strong>{label}</strong>}>None now.</NothingToPlot>;
  const segments = largestAndOthers(parts, mostSegments, others);
  const fill = (index: number) => (index < mostSegments ? `url(#${id}-${index})` : "none");
  const counts = segments.map(({ count }) => count);
  return (
    <PlotFigure
      heading={
        <>
          <strong>{label}</strong>: {total}
        </>
      }
      essence={`${label}, ${total} in all: ${segments.map((part) => partText(part, total)).join(", ")}.`}
      draw={(frame) => {
        const lengths = sharesWithMinimum(counts, frame.width, leastSegment(frame));
        const looks = (index: number) => ({ class: `part s${index}`, fill: fill(index) });
        return segmentBar(
          lengths.map((length, index) => ({ length, looks: looks(index) })),
          frame,
        );
      }}
      table={{
        caption: label,
        head: ["What", "Count", "Share"],
        rows: largestAndOthers(parts, rowsShownMax, others).map(({ label: name, count }) => [
          name,
          count,
          percentText(count, total),
        ]),
      }}
    >
      <Hatchings id={id} />
      <ol class="legend">
        {segments.map((part, index) => (
          <li>
            <svg class="swatch" viewBox="0 0 40 12" aria-hidden="true">
              <rect class={`part s${index}`} fill={fill(index)} x="1" y="1" width="38" height="10" />
            </svg>{" "}
            {part.path === undefined ? part.label : <a href={part.path}>{part.label}</a>}: {part.count} (
            {percentText(part.count, total)})
          </li>
        ))}
      </ol>
      {segments.length > 1 ? <WidthNote /> : null}
    </PlotFigure>
  );
}

/** Largest first; equals by label, so that a page that is made again keeps its order. */
function sorted(parts: readonly Part[]): Part[] {
  return parts.toSorted((a, b) => b.count - a.count || (a.label < b.label ? -1 : 1));
}

/** The largest of what has a count, and all others as one: by default as many as a bar has segments. */
export function largestAndOthers(
  parts: readonly Part[],
  most = mostSegments,
  others: Others = nothing,
): Part[] {
  const counted = sorted(parts).filter(({ count }) => count > 0);
  const beyond = counted.slice(most);
  const rest = beyond.length + others.parts;
  if (rest === 0) return counted;
  const count = beyond.reduce((sum, part) => sum + part.count, others.count);
  return [...counted.slice(0, most), { label: `${rest} others`, count }];
}

function partText({ label, count }: Part, total: number): string {
  return `${label} ${count} (${percentText(count, total)})`;
}

/** A share that is neither 0 nor 1 is not rounded to 0 % or 100 %. */
function percentText(count: number, total: number): string {
  const percent = Math.round((100 * count) / total);
  if (percent === 0 && count > 0) return "under 1%";
  return percent === 100 && count < total ? "over 99%" : `${percent}%`;
}

/** In a drawing of its own: a pattern inside of `display: none` cannot be referred to. */
function Hatchings({ id }: { id: string }) {
  return (
    <svg class="hatchings" width="0" height="0" aria-hidden="true">
      <defs>
        {hatchings.map((lines, index) => (
          <pattern id={`${id}-${index}`} width="8" height="8" patternUnits="userSpaceOnUse">
            <path class={`hatching s${index}`} d={lines} />
          </pattern>
        ))}
      </defs>
    </svg>
  );
}
