import { usageBlockMs, usageHourMs, usageMinuteMs } from "../limits.ts";
import { decodeUsage, encodeUsage, mergeUsage, noUsage, type UsageCounts, type UsageSteps } from "./usage.ts";

/** What is counted in one minute or hour. */
export interface UsageStretch {
  /** Its beginning, in milliseconds since the epoch. */
  at: number;
  counts: UsageCounts;
}

/**
 * What an environment's block is stored as: its minutes, and its hours so that a long range need not read these. Each is a list of
 * `index=counts`, with a semicolon between two.
 */
export interface StoredBlock {
  /** Null: to be summed up from the minutes. */
  hours: string | null;
  minutes: string;
}

/** The beginning of the block that a time lies in; both in milliseconds since the epoch. */
export function blockOf(time: number): number {
  return Math.floor(time / usageBlockMs) * usageBlockMs;
}

/**
 * Adds to a block what was counted in some of its minutes. What cannot be read of it is replaced.
 * @param block its beginning
 */
export function addToBlock(
  stored: StoredBlock | undefined,
  block: number,
  counted: readonly UsageStretch[],
): StoredBlock {
  const known = stored?.hours == null ? null : partsOf(stored.hours);
  let minutes = stored?.minutes ?? "";
  for (const { at, counts } of counted) {
    minutes = withMinute(minutes, (at - block) / usageMinuteMs, counts);
    if (known) add(known, Math.floor((at - block) / usageHourMs), counts);
  }
  return { hours: joined(known ?? hoursOf(partsOf(minutes))), minutes };
}

/** Only the last part is read, where the minute is that or a later one: it is as a rule, and there may be hundreds. */
function withMinute(minutes: string, index: number, counts: UsageCounts): string {
  const lastAt = minutes.lastIndexOf(";") + 1;
  const last = partsOf(minutes.slice(lastAt));
  const [lastIndex] = last.keys();
  if (lastIndex !== undefined && lastIndex < index) {
    return `${minutes};${index}=${encodeUsage(counts)}`;
  }
  const isLast = lastIndex === index;
  const parts = isLast ? last : partsOf(minutes);
  add(parts, index, counts);
  if (isLast) return minutes.slice(0, lastAt) + joined(parts);
  return joined(new Map([...parts].sort(([a], [b]) => a - b)));
}

/** A block that a range of steps has a part of. */
export interface BlockReading {
  /** Its beginning. */
  block: number;
  /** Whether its hours do not say enough. */
  needsMinutes: boolean;
}

/** What is to be read for a range. @param since what is older is not shown, in milliseconds since the epoch */
export function usageReading(steps: UsageSteps, since: number): BlockReading[] {
  const first = blockOf(Math.max(steps.from, since));
  const to = steps.from + steps.count * steps.stepMs;
  return Array.from({ length: Math.max(0, Math.ceil((to - first) / usageBlockMs)) }, (_, i) => {
    const block = first + i * usageBlockMs;
    return { block, needsMinutes: hoursFrom(block).some((hour) => !isWhole(hour, steps, since)) };
  });
}

/**
 * What a block has of a range: its hours where each lies in one step, else the minutes that are shown. What cannot be read is left
 * out: a plot with a gap is better than none.
 * @param stored `minutes` may be left out where `usageReading` needs none and there are hours
 */
export function* stretchesOf(
  { hours, minutes }: { hours: string | null; minutes: string | null },
  block: number,
  steps: UsageSteps,
  since: number,
): Iterable<UsageStretch> {
  const known = hours === null ? null : partsOf(hours);
  for (const hour of hoursFrom(block)) {
    if (!known || !isWhole(hour, steps, since)) continue;
    const counts = decodeUsage(known.get((hour - block) / usageHourMs) ?? "");
    if (counts) yield { at: hour, counts };
  }
  for (const [index, text] of partsOf(minutes ?? "")) {
    const at = block + index * usageMinuteMs;
    if (at < since || (known && isWhole(at - (at % usageHourMs), steps, since))) continue;
    const counts = decodeUsage(text);
    if (counts) yield { at, counts };
  }
}

/** Whether all of an hour is shown, in one step. */
function isWhole(hour: number, { from, stepMs, count }: UsageSteps, since: number): boolean {
  const last = hour + usageHourMs - 1;
  const isShown = hour >= Math.max(from, since) && last < from + count * stepMs;
  return isShown && Math.floor((hour - from) / stepMs) === Math.floor((last - from) / stepMs);
}

function hoursFrom(block: number): number[] {
  return Array.from({ length: usageBlockMs / usageHourMs }, (_, i) => block + i * usageHourMs);
}

function hoursOf(minutes: ReadonlyMap<number, string>): Map<number, string> {
  const hours = new Map<number, string>();
  for (const [index, text] of minutes) {
    const counts = decodeUsage(text);
    if (counts) add(hours, Math.floor((index * usageMinuteMs) / usageHourMs), counts);
  }
  return hours;
}

function add(parts: Map<number, string>, index: number, counts: UsageCounts): void {
  parts.set(index, encodeUsage(mergeUsage(decodeUsage(parts.get(index) ?? "") ?? noUsage, counts)));
}

function partsOf(text: string): Map<number, string> {
  const parts = new Map<number, string>();
  for (const part of text.split(";")) {
    const [, index, counts] = /^(\d{1,3})=(.*)$/.exec(part) ?? [];
    if (index !== undefined && counts !== undefined) parts.set(Number(index), counts);
  }
  return parts;
}

function joined(parts: ReadonlyMap<number, string>): string {
  return Array.from(parts, ([index, counts]) => `${index}=${counts}`).join(";");
}
