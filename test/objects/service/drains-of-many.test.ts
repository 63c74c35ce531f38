import { expect } from "vitest";
import { evict, passTimeAndSettle } from "../../support/worker/clock.ts";
import { drainOf, endsAtOnce, moveOn, settled, shown } from "../support/drains.ts";
import { addBackends } from "../support/many-backends.ts";
import { test } from "../support/object-test.ts";

const count = 2_000;
const ratePerMinute = 600;
const minute = 60_000;

test("a drain of 2,000 backends keeps its rate in every minute, evicted or not, and ends with the last", {
  timeout: 300_000,
}, async ({ pinned: hello, cluster }) => {
  await addBackends(hello, count, true);
  await moveOn(hello);
  const sent = endsAtOnce(cluster);
  const begun = await drainOf(hello, { rate_per_minute: ratePerMinute });
  expect(begun).toMatchObject({ state: "draining", total: count, live: count });
  const begunAt = Date.now();
  await settled(hello);
  for (let seconds = 0; sent.length < count; seconds++) {
    expect(Date.now() - begunAt).toBeLessThan((count / ratePerMinute) * minute * 1.1);
    await passTimeAndSettle(hello.service(), 1_000);
    await settled(hello);
    if (seconds % 50 === 25) await evict(hello.service());
  }
  expect(new Set(sent.map(({ id }) => id)).size).toBe(count);
  expect(sent.every(({ hard }) => !hard)).toBe(true);
  for (const [i, { at }] of sent.entries()) {
    const inMinute = sent.slice(i, i + 2 * ratePerMinute);
    expect(inMinute.filter((other) => other.at < at + minute).length).toBeLessThanOrEqual(ratePerMinute);
  }
  // And nearly uses it: it has come to its end in little more than the time that it must take.
  expect(sent.at(-1)?.at).toBeGreaterThan((count / ratePerMinute) * minute * 0.98);
  expect(await shown(hello, begun)).toMatchObject({ state: "drained", total: count, ended: count, live: 0 });
});
