import type { Row } from "./rows.ts";

/** What a request may cost in the large state; the ratio is that of its processor time to the small state's. */
export const goals = { ratio: 1.3, rowsRead: 300, cpuMs: 20 };
/** What is sent or answered whole, since a client needs all of it, may cost so much for each item of it. */
const cpuMsOfItem = 0.004;
/** A page of so many items may read that many rows, and a longer one so much more. */
const itemsOfGoal = 50;

/** Which goals a request misses. */
export function judge(
  { page = 0, looksAt = 0 }: Pick<Row, "page" | "looksAt">,
  { ratio, rowsRead, cpuMs }: { ratio: number; rowsRead: number; cpuMs: number },
): string[] {
  const isLonger = page > 0 || looksAt > 0;
  return [
    ...(ratio > goals.ratio && !isLonger ? ["ratio"] : []),
    ...(rowsRead > goals.rowsRead * Math.max(1, page / itemsOfGoal) + looksAt ? ["rows"] : []),
    ...(cpuMs > Math.max(goals.cpuMs, page * cpuMsOfItem) ? ["CPU"] : []),
  ];
}
