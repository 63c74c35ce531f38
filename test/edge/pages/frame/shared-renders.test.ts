import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  pageChangesGatheredMs,
  pageRenderedEveryMs,
  pageRenderLostAfterMs,
} from "../../../../src/domain/limits.ts";
import { SharedRenders } from "../../../../src/edge/pages/frame/shared-renders.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"], now: 1_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A page whose state is a number, with what it took to show it. */
function countedPage(tookMs = 0) {
  const page = { state: 0, renders: [] as number[] };
  const render = async () => {
    page.renders.push(Date.now());
    const { state } = page;
    if (tookMs > 0) await new Promise((resolve) => setTimeout(resolve, tookMs));
    return state;
  };
  return { page, render };
}

describe("what open pages show", () => {
  test("is rendered once a second, however many viewers and changes there are", async () => {
    const renders = new SharedRenders<number>();
    const { page, render } = countedPage();
    const shown: number[][] = [];
    for (let change = 1; change <= 50; change++) {
      page.state = change;
      const since = renders.mark();
      const viewers = Array.from({ length: 20 }, () => renders.latest("page", since, render));
      void Promise.all(viewers).then((states) => shown.push(states));
      await vi.advanceTimersByTimeAsync(pageRenderedEveryMs / 25);
    }
    await vi.advanceTimersByTimeAsync(pageRenderedEveryMs);
    const begun = page.renders.map((at) => at - 1_000_000 - pageChangesGatheredMs);
    expect(begun).toEqual([0, 1, 2].map((n) => n * pageRenderedEveryMs));
    expect(shown.length).toBe(50);
    expect(shown.at(-1)).toEqual(Array.from({ length: 20 }, () => 50));
  });

  test("has all that changed before, within a second, whenever it changes and whoever looks", async () => {
    const change = fc.record({ afterMs: fc.nat(2_500), viewers: fc.uniqueArray(fc.nat(4)) });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 12 }), fc.nat(1_500), async (changes, tookMs) => {
        const renders = new SharedRenders<number>();
        const { page, render } = countedPage(tookMs);
        const late: unknown[] = [];
        const looks: Promise<void>[] = [];
        for (const { afterMs, viewers } of changes) {
          await vi.advanceTimersByTimeAsync(afterMs);
          page.state += 1;
          const { state } = page;
          const [since, sinceMs] = [renders.mark(), Date.now()];
          for (const viewer of viewers) {
            looks.push(
              renders.latest("page", since, render).then((shown) => {
                const ms = Date.now() - sinceMs;
                const longest = pageChangesGatheredMs + Math.max(pageRenderedEveryMs, tookMs) + tookMs;
                if (shown < state || ms > longest) late.push({ viewer, shown, state, ms });
              }),
            );
          }
        }
        await vi.advanceTimersByTimeAsync(10_000);
        await Promise.all(looks);
        expect(late).toEqual([]);
        const gaps = page.renders.slice(1).map((at, i) => at - (page.renders[i] ?? 0));
        expect(gaps.filter((ms) => ms < pageRenderedEveryMs)).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });

  test("is rendered apart for each key", async () => {
    const renders = new SharedRenders<string>();
    const since = renders.mark();
    const both = ["a", "b"].map((key) => renders.latest(key, since, async () => `for ${key}`));
    await vi.advanceTimersByTimeAsync(pageChangesGatheredMs);
    expect(await Promise.all(both)).toEqual(["for a", "for b"]);
  });

  test("is rendered by the next viewer where it fails for one, who alone learns of that", async () => {
    const renders = new SharedRenders<string>();
    const since = renders.mark();
    const failing = renders.latest("page", since, async () => {
      throw new Error("spent");
    });
    const failed = expect(failing).rejects.toThrow("spent");
    const rendered = vi.fn(async () => "shown");
    const others = [1, 2, 3].map(() => renders.latest("page", since, rendered));
    await vi.advanceTimersByTimeAsync(pageRenderedEveryMs);
    await failed;
    expect(await Promise.all(others)).toEqual(["shown", "shown", "shown"]);
    expect(rendered).toHaveBeenCalledTimes(1);
  });

  test("is rendered by the next viewer where the request that renders it ends without a word", async () => {
    const renders = new SharedRenders<string>();
    const since = renders.mark();
    void renders.latest("page", since, () => new Promise(() => {}));
    const rendered = vi.fn(async () => "shown");
    const others = Promise.all([1, 2, 3].map(() => renders.latest("page", since, rendered)));
    const later = vi
      .advanceTimersByTimeAsync(500)
      .then(() => renders.latest("page", renders.mark(), rendered));
    await vi.advanceTimersByTimeAsync(pageRenderLostAfterMs + pageRenderedEveryMs);
    expect(await others).toEqual(["shown", "shown", "shown"]);
    expect(await later).toBe("shown");
    expect(rendered.mock.calls.length).toBeLessThanOrEqual(2);
  });
});
