import type { FreezeWindow } from "../../../src/domain/deploys/window-times.ts";

/** What the clocks of a zone show at one minute. */
interface Reading {
  time: number;
  /** The days from 1 January 1970. */
  date: number;
  /** `HH:MM`. */
  clock: string;
}

const minuteMs = 60_000;
const remembered = new Map<string, Reading[]>();

/** What the clocks of a zone show at each minute of a time, as `Intl` says it in Swedish: the oracle of the windows. */
export function readingsOf(zone: string, start: number, end: number): Reading[] {
  const id = `${zone} ${start} ${end}`;
  const known = remembered.get(id);
  if (known) return known;
  const shown = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "short" });
  const readings: Reading[] = [];
  for (let time = start; time < end; time += minuteMs) {
    const [date = "", clock = ""] = shown.format(time).split(" ");
    readings.push({ time, date: Date.parse(date) / 86_400_000, clock });
  }
  remembered.set(id, readings);
  return readings;
}

/** The day that a window would have begun on to be open at a reading, or null: by the clocks alone. */
function beginningOf({ days, from, to }: FreezeWindow, { date, clock }: Reading): number | null {
  const names = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"] as const;
  const isOn = (began: number) => days.some((name) => name === names[began % 7]);
  if (from < to) return clock >= from && clock < to && isOn(date) ? date : null;
  if (clock >= from && isOn(date)) return date;
  return clock < to && isOn(date - 1) ? date - 1 : null;
}

/** At which minutes a window is open: for a deny window also those between the first and the last of one beginning. */
function openMinutes(window: FreezeWindow, readings: readonly Reading[]): Set<number> {
  const byBeginning = new Map<number, number[]>();
  for (const reading of readings) {
    const beginning = beginningOf(window, reading);
    if (beginning === null) continue;
    const times = byBeginning.get(beginning) ?? [];
    times.push(reading.time);
    byBeginning.set(beginning, times);
  }
  return new Set(
    window.effect === "allow" ? [...byBeginning.values()].flat() : [...byBeginning.values()].flatMap(filled),
  );
}

function filled(times: readonly number[]): number[] {
  const [first = 0, last = 0] = [times.at(0), times.at(-1)];
  return Array.from({ length: (last - first) / minuteMs + 1 }, (_, i) => first + i * minuteMs);
}

/** Whether an environment may be changed, for each minute. What begins before or ends after is not whole: a day at either end is not exact. */
export function changeableMinutes(
  windows: readonly FreezeWindow[],
  start: number,
  end: number,
): { time: number; open: boolean }[] {
  const seen = windows.map((window) => ({
    window,
    open: openMinutes(window, readingsOf(window.time_zone, start, end)),
    starts: window.starts_at === undefined ? start : Date.parse(window.starts_at),
    ends: window.ends_at === undefined ? end : Date.parse(window.ends_at),
  }));
  return Array.from({ length: (end - start) / minuteMs }, (_, i) => {
    const time = start + i * minuteMs;
    const inForce = seen.filter(({ starts, ends }) => starts <= time && time < ends);
    const [deny, allow] = [
      inForce.filter(({ window }) => window.effect === "deny"),
      inForce.filter(({ window }) => window.effect === "allow"),
    ];
    const denied = deny.some(({ open }) => open.has(time));
    return { time, open: !denied && (allow.length === 0 || allow.some(({ open }) => open.has(time))) };
  });
}
