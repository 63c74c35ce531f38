import { expect, test } from "vitest";
import { fail, ok, type Result } from "../../../src/domain/result.ts";
import { drainEvents } from "../../../src/edge/streams/drain-stream.ts";
import type { Drain } from "../../../src/protocol/v3/drains.ts";

const begun: Drain = {
  id: "d",
  state: "draining",
  when: "idle",
  rate_per_minute: 60,
  created_at: "2030-01-01T00:00:00.000Z",
  by: { token_id: "t", token_name: "ci" },
  total: 2,
  ended: 0,
  live: 2,
  kept: 0,
  oldest_started_at: null,
  eta: null,
  held_up_by: { count: 0, backends: [] },
};
const half: Drain = { ...begun, ended: 1, live: 1 };
const over: Drain = { ...begun, state: "drained", ended: 2, live: 0 };

/** What a stream sends, where a drain is found in these states one after the other, and whether it let go of its source. */
async function sent(first: Drain, looks: Result<Drain>[]) {
  let isReleased = false;
  const left = [...looks];
  const changes = new ReadableStream<null>({
    pull(controller) {
      controller.enqueue(null);
    },
    cancel() {
      isReleased = true;
    },
  });
  const look = async () => left.shift() ?? expect.fail("it looks after the end");
  const text = await new Response(drainEvents(first, changes, look)).text();
  const events = text.split("\n\n").flatMap((event) => (event === "" ? [] : [JSON.parse(event.slice(6))]));
  return { events, isReleased };
}

test("a stream says what a drain is, and then what has changed, each once", async () => {
  const { events, isReleased } = await sent(begun, [ok(begun), ok(half), ok(half), ok(over)]);
  expect(events).toEqual([begun, half, over]);
  expect(isReleased).toBe(true);
});

test("a stream of a drain that is over has one event", async () => {
  expect(await sent(over, [])).toEqual({ events: [over], isReleased: true });
});

test("a stream ends where its drain is not found any more, or not to be reached", async () => {
  expect((await sent(begun, [fail("drain_not_found", "not found")])).events).toEqual([begun]);
  const changes = new ReadableStream<null>({ pull: (controller) => controller.enqueue(null) });
  const lost = drainEvents(begun, changes, () =>
    Promise.reject(Object.assign(new Error(), { remote: true, retryable: true })),
  );
  expect(await new Response(lost).text()).toContain('"draining"');
});
