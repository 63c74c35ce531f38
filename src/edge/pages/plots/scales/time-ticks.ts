import { isoTime } from "../../../../protocol/primitives.ts";
import { dayMs, hourMs, minuteMs, secondMs } from "./time-units.ts";

/** Round steps of clocks and calendars; each divides the day, or is whole days. */
const stepsMs = [
  ...[1, 2, 5, 10, 15, 30].map((seconds) => seconds * secondMs),
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * minuteMs),
  ...[1, 2, 3, 6, 12].map((hours) => hours * hourMs),
  ...[1, 2, 4, 7, 14, 28, 56, 91, 182, 364].map((days) => days * dayMs),
];

export interface TimeTick {
  /** Milliseconds since the epoch. */
  at: number;
  text: string;
}

/**
 * Round moments of a range in UTC, evenly apart. Midnight is labelled with its date, everything else with the time of the day.
 * @param from milliseconds since the epoch
 * @param most how many there may be, at least 1
 * @returns in order; none for an empty range without a round moment in it
 */
export function timeTicks(from: number, until: number, most: number): TimeTick[] {
  const stepMs = stepsMs.find((step) => countOf(from, until, step) <= most) ?? wholeYears(from, until, most);
  const first = Math.ceil(from / stepMs) * stepMs;
  return Array.from({ length: Math.max(countOf(from, until, stepMs), 0) }, (_, index) => {
    const at = first + index * stepMs;
    return { at, text: tickText(at, stepMs) };
  });
}

function countOf(from: number, until: number, stepMs: number): number {
  return Math.floor(until / stepMs) - Math.ceil(from / stepMs) + 1;
}

function wholeYears(from: number, until: number, most: number): number {
  let stepMs = 2 * 364 * dayMs;
  while (countOf(from, until, stepMs) > most) stepMs *= 2;
  return stepMs;
}

function tickText(at: number, stepMs: number): string {
  if (at % dayMs === 0) return stepMs > 182 * dayMs ? isoTime(at).slice(0, 10) : dayText(at);
  return isoTime(at).slice(11, stepMs < minuteMs ? 19 : 16);
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function dayText(at: number): string {
  const date = new Date(at);
  return `${date.getUTCDate()} ${months[date.getUTCMonth()]}`;
}
