import { day } from "../limits/units.ts";
import { contains, type FreezeWindow, type Interval, Schedule, type WindowTimes } from "./window-times.ts";

/** That the windows of an environment do not let it be changed now. */
export interface Closed {
  open: false;
  /** The first deny window that forbids it. */
  why: FreezeWindow | "outside of all allow windows";
  /** The next instant at which it may be changed, in milliseconds since the epoch; null where none is in sight (`changesAllowed`). */
  opensAt: number | null;
}

/** How far ahead is looked, a week at a time: over both clock changes … */
const weeksAhead = 54;
/** … and for so long after each later time at which a window comes into force or ceases to be: over each day of a week. */
const lookAfterMs = 9 * day;

/**
 * Whether the windows of an environment let it be changed now. None does while a deny window is open. Else they do where no
 * allow window is in force, or one of those that are is open.
 *
 * Where they do not, the next instant at which they do is looked for in the 54 weeks from now, and in the 9 days after each
 * later `starts_at` and `ends_at`. It is exact, to the millisecond.
 * @param windows as the schema takes them (`freezeWindows`)
 * @param now milliseconds since the epoch
 * @throws RangeError for a time zone that `Intl` does not know
 */
export function changesAllowed(windows: readonly FreezeWindow[], now: number): { open: true } | Closed {
  const schedule = new Schedule(windows);
  const times = schedule.during({ start: now, end: now + 1 });
  if (closedUntil(times, now) === null) return { open: true };
  const deny = times.find((each) => each.window.effect === "deny" && isOpen(each, now));
  return {
    open: false,
    why: deny?.window ?? "outside of all allow windows",
    opensAt: nextOpening(schedule, now),
  };
}

/**
 * Why an environment may not be changed now, and when it may be next, for people.
 * @example "a window denies changes on sat, sun from 00:00 to 24:00, Europe/Berlin; they are possible from 2026-03-01T23:00:00.000Z on"
 */
export function closedMessage({ why, opensAt }: Closed): string {
  const reason =
    typeof why === "string"
      ? "no window that allows changes is open"
      : `a window denies changes on ${why.days.join(", ")} from ${why.from} to ${why.to}, ${why.time_zone}`;
  const next =
    opensAt === null
      ? "no time is in sight at which they are possible"
      : `they are possible from ${new Date(opensAt).toISOString()} on`;
  return `${reason}; ${next}`;
}

function nextOpening(schedule: Schedule, now: number): number | null {
  for (const span of spansAhead(schedule, now)) {
    const opening = firstOpening(schedule.during(span), span);
    if (opening !== null) return opening;
  }
  return null;
}

/** The spans of time in which an opening is looked for, in their order. */
function spansAhead(schedule: Schedule, now: number): Interval[] {
  const weeks = Array.from({ length: weeksAhead }, (_, i) => ({
    start: now + i * 7 * day,
    end: now + (i + 1) * 7 * day,
  }));
  const horizon = now + weeksAhead * 7 * day;
  const later = schedule
    .bounds()
    .filter((time) => time >= horizon)
    .sort((a, b) => a - b);
  return [...weeks, ...later.map((start) => ({ start, end: start + lookAfterMs }))];
}

/** The first instant of a span at which the environment may be changed, or null. */
function firstOpening(times: readonly WindowTimes[], { start, end }: Interval): number | null {
  let time = start;
  while (time < end) {
    const closed = closedUntil(times, time);
    if (closed === null) return time;
    time = closed;
  }
  return null;
}

/** Null where the environment may be changed at a time; else the next time at which that may be otherwise. */
function closedUntil(times: readonly WindowTimes[], time: number): number | null {
  const deny = times.filter(({ window }) => window.effect === "deny");
  const denied = deny.flatMap(({ open }) => open).find((interval) => contains(interval, time));
  if (denied !== undefined) return denied.end;
  const allow = times.filter(({ window }) => window.effect === "allow");
  if (!allow.some((each) => contains(each.inForce, time))) return null;
  if (allow.some((each) => isOpen(each, time))) return null;
  const changes = allow.flatMap((each) => [each.inForce.end, ...each.open.map(({ start }) => start)]);
  return Math.min(...changes.filter((change) => change > time));
}

function isOpen({ open }: WindowTimes, time: number): boolean {
  return open.some((interval) => contains(interval, time));
}
