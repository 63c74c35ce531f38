import type { UsageRange } from "../../../domain/usage/usage.ts";
import { pathWith } from "../elements/paging.tsx";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** The ranges of the plots, in as many steps as a plot has room for. */
const ranges = {
  hour: { text: "1 hour", ms: hour, stepMs: minute },
  day: { text: "1 day", ms: day, stepMs: 15 * minute },
  week: { text: "7 days", ms: 7 * day, stepMs: 2 * hour },
  month: { text: "30 days", ms: 30 * day, stepMs: 8 * hour },
} as const;
type RangeName = keyof typeof ranges;

const parameter = "over";

function isRangeName(text: string): text is RangeName {
  return Object.hasOwn(ranges, text);
}

function chosen(query: URLSearchParams): RangeName {
  const name = query.get(parameter) ?? "";
  return isRangeName(name) ? name : "hour";
}

/** The time range of a page's query, up to now; an hour by default. */
export function usageRange(query: URLSearchParams, now: number): UsageRange {
  const { ms, stepMs } = ranges[chosen(query)];
  // Ends with the current step, rounded up: counts are kept in whole steps, and for no longer than the longest range.
  const to = Math.ceil((now + 1) / stepMs) * stepMs;
  return { from: to - ms, to, stepMs };
}

/** Links to the other time ranges. */
export function RangeLinks({ path, query }: { path: string; query: URLSearchParams }) {
  const current = chosen(query);
  return (
    <nav class="ranges" aria-label="Time that the plots show">
      <ul>
        {Object.entries(ranges).map(([name, { text }]) => (
          <li>
            <a
              href={pathWith(path, query, { [parameter]: name })}
              aria-current={name === current ? "true" : undefined}
            >
              {text}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}
