import type { Child } from "hono/jsx";
import { type Frame, textWidth } from "./figure.tsx";
import { coordinate, linearScale } from "./scales/linear-scale.ts";
import type { TimeTick } from "./scales/time-ticks.ts";

/** The rectangle of a plot in which its data are drawn. */
export interface Area {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** The axis of amounts: a line and a text for each tick, left of the area. */
export function AmountAxis({
  ticks,
  text,
  area,
  frame,
}: {
  ticks: readonly number[];
  text(amount: number): string;
  area: Area;
  frame: Frame;
}) {
  const y = linearScale([0, ticks.at(-1) ?? 1], [area.bottom, area.top]);
  const across = (amount: number) =>
    `M${coordinate(area.left)} ${coordinate(y(amount))}H${coordinate(area.right)}`;
  return (
    <>
      <path class="grid" d={ticks.slice(1).map(across).join("")} />
      <path class="axis" d={across(0)} />
      <g class="faint" text-anchor="end">
        {ticks.map((amount) => (
          <text x={coordinate(area.left - 6)} y={coordinate(y(amount) + frame.font / 3)}>
            {text(amount)}
          </text>
        ))}
      </g>
    </>
  );
}

/** How much room the texts of an amount axis take. */
export function amountAxisWidth(texts: readonly string[], frame: Frame): number {
  return textWidth(Math.max(...texts.map((text) => text.length), 1), frame) + 8;
}

/** How many labels a time axis has room for: 10:28 or 23 Nov, and 10:28:30 in a range of minutes. */
export function timeTicksThatFit({ left, right }: Area, rangeMs: number, frame: Frame): number {
  const characters = rangeMs < 600_000 ? 9 : 7;
  return Math.max(Math.floor((right - left) / textWidth(characters, frame)), 1);
}

/** The axis of times, below the area. A label that would leave the drawing is moved in. */
export function TimeAxis({
  ticks,
  x,
  area,
  frame,
}: {
  ticks: readonly TimeTick[];
  x(at: number): number;
  area: Area;
  frame: Frame;
}) {
  return (
    <>
      <path
        class="axis"
        d={ticks.map(({ at }) => `M${coordinate(x(at))} ${coordinate(area.bottom)}v4`).join("")}
      />
      <g class="faint" text-anchor="middle">
        {ticks.map(({ at, text }) => {
          const half = textWidth(text.length, frame) / 2;
          const place = Math.min(Math.max(x(at), half), frame.width - half);
          return (
            <text x={coordinate(place)} y={coordinate(area.bottom + frame.font + 6)}>
              {text}
            </text>
          );
        })}
      </g>
    </>
  );
}

/** A text in the middle of an empty area. */
export function Nothing({ area, children }: { area: Area; children: Child }) {
  return (
    <text
      x={coordinate((area.left + area.right) / 2)}
      y={coordinate((area.top + area.bottom) / 2)}
      text-anchor="middle"
      class="faint"
    >
      {children}
    </text>
  );
}
