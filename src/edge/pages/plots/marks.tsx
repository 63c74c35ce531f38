import { Time } from "../elements/time.tsx";
import type { Area } from "./axes.tsx";
import { type Frame, textWidth } from "./figure.tsx";
import { coordinate } from "./scales/linear-scale.ts";
import { groupNear } from "./spacing.ts";

/** Something that happened at a moment of a plot: a pin. */
export interface Mark {
  /** Milliseconds since the epoch. */
  at: number;
  label: string;
  /** The page with more about it. */
  path?: string;
}

/** Those of a range, oldest first: their numbers are their places in this list. */
export function inRange(marks: readonly Mark[], from: number, until: number): Mark[] {
  return marks.filter(({ at }) => at >= from && at <= until).toSorted((a, b) => a.at - b.at);
}

/** "10–12" */
const mostCharacters = 5;

/** A dashed line for each, numbered above the area; those whose numbers would cover each other share one text. */
export function Marks({
  marks,
  x,
  area,
  frame,
}: {
  marks: readonly Mark[];
  x(at: number): number;
  area: Area;
  frame: Frame;
}) {
  const places = marks.map(({ at }) => x(at));
  return (
    <>
      {marks.length === 0 ? null : (
        <path
          class="mark"
          d={places.map((at) => `M${coordinate(at)} ${coordinate(area.top - 4)}V${area.bottom}`).join("")}
        />
      )}
      {groupNear(places, textWidth(mostCharacters + 2, frame)).map(({ place, indexes }) => {
        const text = numbersText(indexes);
        const half = textWidth(text.length, frame) / 2;
        const middle = Math.min(Math.max(place, half), frame.width - half);
        return (
          <text x={coordinate(middle)} y={frame.font} text-anchor="middle">
            {text}
          </text>
        );
      })}
    </>
  );
}

/** The numbers of neighbours: 3, or 3–5. */
function numbersText(indexes: readonly number[]): string {
  const first = (indexes[0] ?? 0) + 1;
  return indexes.length === 1 ? String(first) : `${first}–${first + indexes.length - 1}`;
}

/** What the numbers on the plot mean. */
export function MarkList({ marks }: { marks: readonly Mark[] }) {
  if (marks.length === 0) return null;
  return (
    <ol class="legend" aria-label="Marks">
      {marks.map(({ at, label, path }) => (
        <li>
          {path === undefined ? label : <a href={path}>{label}</a>} <Time at={at} />
        </li>
      ))}
    </ol>
  );
}
