import { day } from "../limits/units.ts";

/** A stretch of time in which a zone's clocks are not changed: `start` is included, `end` is not. In milliseconds since the epoch. */
export interface Stretch {
  start: number;
  end: number;
  /** What the zone's clocks show minus UTC, in milliseconds. */
  offsetMs: number;
}

/** A zone of the IANA database, as `Intl` has it. Making one takes a tenth of a millisecond. */
export class TimeZone {
  readonly #format: Intl.DateTimeFormat;

  /** @throws RangeError where `Intl` does not know the zone (`isTimeZone`) */
  constructor(name: string) {
    this.#format = new Intl.DateTimeFormat("en-US", {
      timeZone: name,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  }

  /** What the zone's clocks show minus UTC, in milliseconds. @param time milliseconds since the epoch */
  offsetMs(time: number): number {
    const wholeSeconds = Math.floor(time / 1000) * 1000;
    const [month = 1, date = 1, year = 0, hours = 0, minutes = 0, seconds = 0] = this.#format
      .format(wholeSeconds)
      .split(/\D+/)
      .map(Number);
    return Date.UTC(year, month - 1, date, hours, minutes, seconds) - wholeSeconds;
  }

  /**
   * The stretches between the changes of the zone's clocks, which together are the time that is given. It is looked at once a
   * day: two changes on one day that undo each other, which no zone has had, would not be seen.
   */
  stretches(start: number, end: number): Stretch[] {
    const found: Stretch[] = [];
    let stretch = { start, offsetMs: this.offsetMs(start) };
    for (let seen = start; seen < end; ) {
      const next = Math.min(seen + day, end);
      if (this.offsetMs(next) === stretch.offsetMs) {
        seen = next;
      } else {
        seen = this.#changeBetween(seen, next);
        found.push({ ...stretch, end: seen });
        stretch = { start: seen, offsetMs: this.offsetMs(seen) };
      }
    }
    return [...found, { ...stretch, end }];
  }

  /** The first millisecond with another offset than `before` has; `after` has another one. */
  #changeBetween(before: number, after: number): number {
    const offsetMs = this.offsetMs(before);
    let [same, other] = [before, after];
    while (other - same > 1) {
      const middle = Math.floor((same + other) / 2);
      if (this.offsetMs(middle) === offsetMs) same = middle;
      else other = middle;
    }
    return other;
  }
}

/** Whether this is `UTC` or the name of a zone that `Intl` knows; a mere offset (`+02:00`) is none. */
export function isTimeZone(name: string): boolean {
  if (!/^[a-z]/i.test(name)) return false;
  try {
    new TimeZone(name);
    return true;
  } catch {
    return false;
  }
}
