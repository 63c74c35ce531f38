import fc from "fast-check";
import { expect, test } from "vitest";
import { weekdays } from "../../../src/domain/deploys/window-times.ts";
import { changesAllowed } from "../../../src/domain/deploys/windows.ts";
import { changeableMinutes } from "./minutes.ts";

const minuteMs = 60_000;
const dayMs = 86_400_000;

/** Eight days, in the middle of which the zone's clocks do what is said. */
const periods = [
  ["Europe/Berlin", "2026-03-25", "forward at 02:00"],
  ["Europe/Berlin", "2026-10-21", "back at 03:00"],
  ["America/New_York", "2026-03-04", "forward"],
  ["America/New_York", "2026-10-28", "back"],
  ["Asia/Kathmandu", "2026-03-25", "none; 5:45 h from UTC"],
  ["Australia/Lord_Howe", "2026-04-01", "back by half an hour"],
  ["Australia/Lord_Howe", "2026-09-30", "forward by half an hour"],
  ["America/St_Johns", "2010-11-03", "back at 00:01, into the day before; 3:30 h from UTC"],
  ["America/St_Johns", "2026-03-04", "forward"],
  ["America/Havana", "2026-03-04", "forward at midnight"],
  ["America/Havana", "2026-10-28", "back at 01:00, to midnight"],
  ["America/Santiago", "2026-04-01", "back at midnight"],
  ["Pacific/Apia", "2011-12-26", "past the whole of 30 December"],
  ["Pacific/Kwajalein", "1993-08-17", "past the whole of 21 August"],
] as const;

test.for(periods)("in %s, from %s on (%s), windows are open as a walk by the minute says", ([zone, from]) => {
  const start = Date.parse(`${from}T00:00:00Z`);
  const end = start + 8 * dayMs;
  const clock = fc
    .oneof(
      fc.nat(1439),
      fc.nat(23).map((hours) => hours * 60),
      fc.nat({ max: 18 }).map((n) => n * 15),
    )
    .map((minutes) => `${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`);
  const instant = fc.nat(8 * 1440 - 1).map((minutes) => new Date(start + minutes * minuteMs).toISOString());
  const windows = fc
    .record(
      {
        effect: fc.constantFrom("allow", "deny"),
        days: fc.subarray([...weekdays], { minLength: 1 }),
        from: clock,
        to: fc.oneof({ weight: 5, arbitrary: clock }, { weight: 1, arbitrary: fc.constant("24:00") }),
        time_zone: fc.constantFrom(zone, zone, "UTC"),
        starts_at: instant,
        ends_at: instant,
      },
      { requiredKeys: ["effect", "days", "from", "to", "time_zone"] },
    )
    .filter(({ from, to }) => from !== to);
  const seconds = fc.nat(minuteMs - 1);

  fc.assert(
    fc.property(fc.array(windows, { minLength: 1, maxLength: 4 }), seconds, (each, ms) => {
      // What begins before the walk is not whole in it, nor is what ends after.
      const walk = changeableMinutes(each, start, end).filter(
        ({ time }) => time >= start + 2 * dayMs && time < end - 2 * dayMs,
      );
      const lastOpen = walk.findLastIndex(({ open }) => open);
      for (const [i, { time, open }] of walk.entries()) {
        // Minutes beside a change, and some of the others.
        if (open === walk[i - 1]?.open && open === walk[i + 1]?.open && i % 431 !== 0) continue;
        const changes = changesAllowed(each, time + (open ? ms : 0));
        expect({ time, open: changes.open }).toEqual({ time, open });
        if (changes.open || i > lastOpen) continue;
        expect(changes.opensAt).toBe(walk.find((later, j) => j > i && later.open)?.time);
      }
    }),
    { numRuns: 5 },
  );
});

function pad(number: number): string {
  return String(number).padStart(2, "0");
}
