import fc from "fast-check";
import { expect, test } from "vitest";
import { usageBlockMs, usageHourMs, usageMinuteMs } from "../../../src/domain/limits.ts";
import { encodeUsage, usageOf } from "../../../src/domain/usage/usage.ts";
import {
  addToBlock,
  blockOf,
  type StoredBlock,
  stretchesOf,
  usageReading,
} from "../../../src/domain/usage/usage-blocks.ts";
import { countOf } from "./count-of.ts";

const minute = usageMinuteMs;
const begin = 100 * usageBlockMs;
const ago = (minutes: number) => begin + minutes * minute;
const spawned = (at: number) => ({ at, counts: countOf("spawned") });

test("a range of steps shows what its minutes do, whatever was written together and wherever it begins", () => {
  const minuteOfRange = fc.integer({ min: 0, max: 1439 });
  const written = fc.array(fc.array(minuteOfRange, { maxLength: 8 }), { maxLength: 6 });
  const step = fc.constantFrom(1, 7, 30, 60, 90, 120, 240, 300);
  fc.assert(
    fc.property(
      written,
      step,
      minuteOfRange,
      minuteOfRange,
      fc.boolean(),
      (times, stepMinutes, first, sinceMinute, isOld) => {
        const blocks = new Map<number, StoredBlock>();
        for (const together of times) {
          for (const [block, counted] of Map.groupBy(
            together.map((at) => spawned(ago(at))),
            ({ at }) => blockOf(at),
          )) {
            blocks.set(block, addToBlock(blocks.get(block), block, counted));
          }
        }
        const stepMs = stepMinutes * minute;
        const from = Math.floor(ago(first) / stepMs) * stepMs;
        const steps = { from, stepMs, count: Math.ceil((ago(1440) - from) / stepMs) };
        const since = ago(sinceMinute);
        const reading = usageReading(steps, since);
        const shown = reading.flatMap(({ block, needsMinutes }) => {
          const { hours, minutes } = blocks.get(block) ?? { hours: null, minutes: "" };
          const known = isOld ? null : hours;
          const needed = known === null || needsMinutes;
          return [...stretchesOf({ hours: known, minutes: needed ? minutes : null }, block, steps, since)];
        });
        const minutes = times
          .flat()
          .map((at) => spawned(ago(at)))
          .filter(({ at }) => at >= since);
        expect(usageOf("prod", shown, steps)).toEqual(usageOf("prod", minutes, steps));
      },
    ),
  );
});

test("hours that lie in one step are read without their minutes", () => {
  const steps = { from: begin, stepMs: 2 * usageHourMs, count: 8 };
  const needs = (block: number, needsMinutes: boolean) => ({ block, needsMinutes });
  const next = begin + usageBlockMs;
  expect(usageReading(steps, 0)).toEqual([needs(begin, false), needs(next, false)]);
  expect(usageReading({ ...steps, stepMs: minute }, 0)).toEqual([needs(begin, true)]);
  expect(usageReading(steps, next + usageHourMs + minute)).toEqual([needs(next, true)]);
});

test("a range that lies before what is shown needs nothing", () => {
  const steps = { from: begin, stepMs: usageHourMs, count: 2 };
  expect(usageReading(steps, begin + 9 * usageBlockMs)).toEqual([]);
});

test("what is added to a block that cannot be read takes its place", () => {
  const counts = encodeUsage(countOf("spawned"));
  for (const broken of ["", "broken", "1=broken;x;=", "1000=1 1 0 0 0 0"]) {
    const stored = addToBlock({ hours: broken, minutes: broken }, begin, [spawned(ago(61))]);
    expect(stored.minutes).toContain(`61=${counts}`);
    expect(stored.hours).toContain(`1=${counts}`);
  }
});
