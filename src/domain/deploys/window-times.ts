import { day, hour, minute } from "../limits/units.ts";
import { type Stretch, TimeZone } from "./time-zone.ts";

/** The days of a week, as windows name them; Sunday is first. */
export const weekdays = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;
/** One of them. */
export type Weekday = (typeof weekdays)[number];

/**
 * When an environment may be changed (`allow`), or may not (`deny`): each week, by the clocks of a zone. As settings have it.
 *
 * A window begins on each of its days at `from`. It ends at `to`, which is on the next day where it is not later than `from`.
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
  /** When it is open, in the order of the beginnings. */
  open: readonly Interval[];
}

/** By how much a window that is open in a span may begin before it, or end after: a day, and what a zone's date is off UTC's. */
const marginMs = 3 * day;

/** Windows with the zones that they are in. */
export class Schedule {
  readonly #windows: readonly { window: FreezeWindow; inForce: Interval }[];
  readonly #zones: ReadonlyMap<string, TimeZone>;

  /** @throws RangeError for a time zone that `Intl` does not know */
  constructor(windows: readonly FreezeWindow[]) {
    this.#windows = windows.map((window) => ({ window, inForce: inForce(window) }));
    this.#zones = new Map(windows.map(({ time_zone: name }) => [name, new TimeZone(name)]));
  }

  /** The windows that are in force at some time of a span, in their order, and when they are open: in the span and around it. */
  during(span: Interval): WindowTimes[] {
    const known = new Map<string, readonly Stretch[]>();
    const stretchesOf = (zone: string) => {
      const stretches =
        known.get(zone) ?? this.#zones.get(zone)?.stretches(span.start - marginMs, span.end + marginMs) ?? [];
      known.set(zone, stretches);
      return stretches;
    };
    return this.#windows
      .filter(({ inForce }) => isSome(intersection(inForce, span)))
      .map(({ window, inForce }) => ({
        window,
        inForce,
        open: openings(window, stretchesOf(window.time_zone))
          .map((interval) => intersection(interval, inForce))
          .filter(isSome),
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

/** When a window is open, in force or not, in the stretches of its zone. */
function openings({ effect, days, from, to }: FreezeWindow, stretches: readonly Stretch[]): Interval[] {
  const [first, last] = [stretches.at(0), stretches.at(-1)];
  if (first === undefined || last === undefined) return [];
  const found: Interval[] = [];
  const lastDate = dateAt(last.end + last.offsetMs);
  for (let date = dateAt(first.start + first.offsetMs); date <= lastDate; date++) {
    if (!days.includes(weekdayOf(date))) continue;
    const local = {
      start: date * day + timeOfDayMs(from),
      end: (to <= from ? date + 1 : date) * day + timeOfDayMs(to),
    };
    const parts = stretches.map((stretch) => shownIn(stretch, local)).filter(isSome);
    if (effect === "allow") found.push(...parts);
    else found.push(...hullOf(parts));
  }
  return found;
}

/** When, in a stretch, the clocks of its zone show a time of an interval, which is in milliseconds on those clocks. */
function shownIn({ start, end, offsetMs }: Stretch, local: Interval): Interval {
  return intersection({ start, end }, { start: local.start - offsetMs, end: local.end - offsetMs });
}

/** From the beginning of the first interval to the end of the last one; none of none. */
function hullOf(intervals: readonly Interval[]): Interval[] {
  const [first, last] = [intervals.at(0), intervals.at(-1)];
  return first === undefined || last === undefined ? [] : [{ start: first.start, end: last.end }];
}

function intersection(a: Interval, b: Interval): Interval {
  return { start: Math.max(a.start, b.start), end: Math.min(a.end, b.end) };
}

function isSome({ start, end }: Interval): boolean {
  return start < end;
}

/** The days from 1 January 1970 to a time on a zone's clocks. */
function dateAt(local: number): number {
  return Math.floor(local / day);
}

/** 1 January 1970 was a Thursday. */
function weekdayOf(date: number): Weekday {
  return weekdays[(((date + 4) % 7) + 7) % 7] ?? "sun";
}

function timeOfDayMs(text: string): number {
  const [hours = 0, minutes = 0] = text.split(":").map(Number);
  return hours * hour + minutes * minute;
}
