import { describe, expect, test } from "vitest";
import { pulledStream, type Step } from "../../../src/edge/streams/pulled-stream.ts";

/** A source of scripted steps, which waits for ever after them until it is released. */
function scripted(steps: readonly (Step<string> | Error)[]) {
  const released: unknown[] = [];
  let pulls = 0;
  let wake = () => {};
  const source = {
    async next(): Promise<Step<string>> {
      const step = steps[pulls];
      pulls += 1;
      if (step instanceof Error) throw step;
      if (step) return step;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      return { items: ["too late"] };
    },
    release(reason?: unknown) {
      released.push(reason);
      wake();
    },
  };
  return { source, released, pulls: () => pulls };
}

async function all(stream: ReadableStream<string>): Promise<string[]> {
  const items: string[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

describe("a pulled stream", () => {
  test("has the items of each step in order, ends after the last, and releases its source once", async () => {
    const { source, released } = scripted([
      { items: ["a", "b"] },
      { items: [] },
      { items: ["c"], isLast: true },
    ]);
    expect(await all(pulledStream(source))).toEqual(["a", "b", "c"]);
    expect(released).toEqual([undefined]);
  });

  test("may end with nothing", async () => {
    const { source } = scripted([{ items: [], isLast: true }]);
    expect(await all(pulledStream(source))).toEqual([]);
  });

  test("takes no step before somebody reads, and none ahead of its reader", async () => {
    const { source, pulls } = scripted([{ items: ["a"] }, { items: ["b"] }, { items: ["c"] }]);
    const reader = pulledStream(source).getReader();
    expect(pulls()).toBe(0);
    await reader.read();
    expect(pulls()).toBe(1);
    await reader.read();
    expect(pulls()).toBe(2);
    await reader.cancel();
  });

  test("that its reader leaves while a step is under way releases its source with the reason, and ends", async () => {
    const { source, released } = scripted([]);
    const reader = pulledStream(source).getReader();
    const reading = reader.read();
    await reader.cancel("left");
    expect((await reading).done).toBe(true);
    expect(released).toEqual(["left"]);
  });

  test("breaks where its source fails, and releases it", async () => {
    const failure = new Error("the object restarts");
    const { source, released } = scripted([{ items: ["a"] }, failure]);
    const reader = pulledStream(source).getReader();
    expect((await reader.read()).value).toBe("a");
    await expect(reader.read()).rejects.toThrow("the object restarts");
    expect(released).toEqual([failure]);
  });

  test("breaks with the failure of its source also where that cannot be released", async () => {
    const source = {
      next: () => Promise.reject(new Error("first")),
      release: () => Promise.reject(new Error("second")),
    };
    await expect(pulledStream(source).getReader().read()).rejects.toThrow("first");
  });
});
