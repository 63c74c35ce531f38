import { day, hour, minute } from "../limits/units.ts";
import { type Stretch, TimeZone } from "./time-zone.ts";

/** The days of a week, as windows name them; Sunday is first. */
export const weekdays = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;
/** One of them. */
export type Weekday = (typeof weekdays)[number];

/**
 * When an environment may be changed (`allow`), or may not (`deny`): each week, by the clocks of a zone. As settings have it.
 *
 * A window begins on each of its days at `from`. It ends at `to`, which is on the next day where it is earlier than `from`.
 * Where the clocks are put forward, what they pass over is left out: a window that would begin there begins at the first
 * instant after. Where they are put back, times of day come twice. A deny window then lasts from the first time that it
 * begins to the last time that it ends, without a break. An allow window is open whenever the clocks show a time in it, and
 * so never at one that nobody wrote.
 *
 * Before `starts_at`, and from `ends_at` on, it is as if there was no such window.
 */
export interface FreezeWindow {
  effect: "allow" | "deny";
  days: Weekday[];
  /** `HH:MM`. */
  from: string;
  /** `HH:MM`, also `24:00`. Not the same as `from`. */
  to: string;
  /** `UTC` or a name of the IANA database. */
  time_zone: string;
  /** RFC 3339. */
  starts_at?: string | undefined;
  /** RFC 3339. */
  ends_at?: string | undefined;
}

/** From `start` on and before `end`, in milliseconds since the epoch. */
export interface Interval {
  start: number;
  end: number;
}

/** What a window comes to in the time that is looked at. */
export interface WindowTimes {
  window: FreezeWindow;
  inForce: Interval;
  /** When it is open while it is in force, in the order of the beginnings; some of these are empty, with an end before their start. */
  open: readonly Interval[];
}

/** So many days before and after a span have windows that are open in it: a window lasts a day, and dates are a day off UTC's. */
const marginDays = 3;

/** Windows with the zones that they are in. */
export class Schedule {
  readonly #windows: readonly { window: FreezeWindow; inForce: Interval; zone: TimeZone }[];

  /** @throws RangeError for a time zone that `Intl` does not know */
  constructor(windows: readonly FreezeWindow[]) {
    this.#windows = windows.map((window) => ({
      window,
      inForce: inForce(window),
      zone: new TimeZone(window.time_zone),
    }));
  }

  /** The windows that are in force at some time of a span, in their order, and when they are open: in the span and around it. */
  during(span: Interval): WindowTimes[] {
    return this.#windows
      .filter(({ inForce }) => inForce.start < span.end && span.start < inForce.end)
      .map(({ window, inForce, zone }) => ({
        window,
        inForce,
        open: openings(window, zone, span).map((interval) => intersection(interval, inForce)),
      }));
  }

  /** When one of the windows comes into force or ceases to be, in no order. Milliseconds since the epoch. */
  bounds(): number[] {
    return this.#windows.flatMap(({ inForce: { start, end } }) => [start, end]).filter(Number.isFinite);
  }
}

function inForce({ starts_at, ends_at }: FreezeWindow): Interval {
  return {
    start: starts_at === undefined ? Number.NEGATIVE_INFINITY : Date.parse(starts_at),
    end: ends_at === undefined ? Number.POSITIVE_INFINITY : Date.parse(ends_at),
  };
}

/** Whether a time is in an interval. */
export function contains({ start, end }: Interval, time: number): boolean {
  return start <= time && time < end;
}

/** When a window is open in a span and around it, in force or not. */
function openings({ effect, days, from, to }: FreezeWindow, zone: TimeZone, span: Interval): Interval[] {
  const [first, last] = [dateAt(span.start) - marginDays, dateAt(span.end) + marginDays];
  const stretches = zone.stretches((first - 1) * day, (last + 2) * day);
  const found: Interval[] = [];
  for (let date = first; date <= last; date++) {
    if (!days.includes(weekdayOf(date))) continue;
    const local = {
      start: date * day + timeOfDayMs(from),
      end: (to < from ? date + 1 : date) * day + timeOfDayMs(to),
    };
    const parts = stretches.map((stretch) => shownIn(stretch, local)).filter(({ start, end }) => start < end);
    found.push(...(effect === "allow" ? parts : hullOf(parts)));
  }
  return found;
}

/** When, in a stretch, the clocks of its zone show a time of an interval, which is in milliseconds on those clocks. */
function shownIn({ start, end, offsetMs }: Stretch, local: Interval): Interval {
  return intersection({ start, end }, { start: local.start - offsetMs, end: local.end - offsetMs });
}

/** From the beginning of the first interval to the end of the last one; none of none. */
function hullOf(intervals: readonly Interval[]): Interval[] {
  const ends = intervals.map(({ end }) => end);
  return intervals.slice(0, 1).map(({ start }) => ({ start, end: Math.max(...ends) }));
}

function intersection(a: Interval, b: Interval): Interval {
  return { start: Math.max(a.start, b.start), end: Math.min(a.end, b.end) };
}

/** The days from 1 January 1970 to a time. */
function dateAt(time: number): number {
  return Math.floor(time / day);
}

/** 1 January 1970 was a Thursday. */
function weekdayOf(date: number): Weekday {
  return weekdays[(((date + 4) % 7) + 7) % 7] ?? "sun";
}

function timeOfDayMs(text: string): number {
  const [hours = 0, minutes = 0] = text.split(":").map(Number);
  return hours * hour + minutes * minute;
}
