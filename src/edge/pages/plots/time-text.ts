import { isoTime } from "../../../protocol/primitives.ts";
import { dayMs, hourMs, minuteMs, secondMs } from "./scales/time-units.ts";

/** A time in UTC, with the given precision. */
export function momentText(at: number, precision: "minute" | "second" | "millisecond"): string {
  const length = { minute: 16, second: 19, millisecond: 23 }[precision];
  return isoTime(at).slice(0, length).replace("T", " ");
}

/** The width of a bucket in the largest unit that it is a whole number of: 15 min, 6 h, 1 d. */
export function spanText(ms: number): string {
  for (const [unitMs, unit] of [
    [dayMs, "d"],
    [hourMs, "h"],
    [minuteMs, "min"],
    [secondMs, "s"],
  ] as const) {
    if (ms >= unitMs && ms % unitMs === 0) return `${ms / unitMs} ${unit}`;
  }
  return `${ms} ms`;
}
