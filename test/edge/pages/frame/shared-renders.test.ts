import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  pageChangesGatheredMs,
  pageRenderedEveryMs,
  pageRenderLostAfterMs,
  pageTurnForfeitMs,
} from "../../../../src/domain/limits.ts";
import { SharedRenders, type Shown } from "../../../../src/edge/pages/frame/shared-renders.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date", "performance", "setTimeout", "clearTimeout"], now: 1_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

const shownOf = (key: string, owner = "hello"): Shown => ({ key, owner });

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
      const viewers = Array.from({ length: 20 }, () => renders.latest(shownOf("page"), since, render));
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
              renders.latest(shownOf("page"), since, render).then((shown) => {
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

  test("is rendered apart for each key, and at once where nothing else is of the same service", async () => {
    const renders = new SharedRenders<string>();
    const since = renders.mark();
    const both = ["a", "b"].map((key) => renders.latest(shownOf(key, key), since, async () => `for ${key}`));
    await vi.advanceTimersByTimeAsync(pageChangesGatheredMs);
    expect(await Promise.all(both)).toEqual(["for a", "for b"]);
  });

  test("is rendered by the next viewer where it fails for one, who alone learns of that", async () => {
    const renders = new SharedRenders<string>();
    const since = renders.mark();
    const failing = renders.latest(shownOf("page"), since, async () => {
      throw new Error("spent");
    });
    const failed = expect(failing).rejects.toThrow("spent");
    const rendered = vi.fn(async () => "shown");
    const others = [1, 2, 3].map(() => renders.latest(shownOf("page"), since, rendered));
    await vi.advanceTimersByTimeAsync(pageChangesGatheredMs + pageRenderedEveryMs);
    await failed;
    expect(await Promise.all(others)).toEqual(["shown", "shown", "shown"]);
    expect(rendered).toHaveBeenCalledTimes(1);
  });

  test("is rendered by the next viewer where the request that renders it ends without a word", async () => {
    const renders = new SharedRenders<string>();
    const since = renders.mark();
    void renders.latest(shownOf("page"), since, () => new Promise(() => {}));
    const rendered = vi.fn(async () => "shown");
    const others = Promise.all([1, 2, 3].map(() => renders.latest(shownOf("page"), since, rendered)));
    const later = vi
      .advanceTimersByTimeAsync(500)
      .then(() => renders.latest(shownOf("page"), renders.mark(), rendered));
    await vi.advanceTimersByTimeAsync(pageRenderLostAfterMs + pageRenderedEveryMs);
    expect(await others).toEqual(["shown", "shown", "shown"]);
    expect(await later).toBe("shown");
    expect(rendered.mock.calls.length).toBeLessThanOrEqual(2);
  });
});

/** Pages of one service that show its state, each followed by some viewers who are shown it anew after each change. */
function changingService(pages: number, tookMs = 0) {
  const renders = new SharedRenders<{ state: number }>();
  const service = { state: 0, rendered: [] as { page: number; at: number }[] };
  const render = (page: number) => async () => {
    service.rendered.push({ page, at: Date.now() });
    const { state } = service;
    if (tookMs > 0) await new Promise((resolve) => setTimeout(resolve, tookMs));
    return { state };
  };
  const looks: Promise<{ page: number; missed: number; ms: number }>[] = [];
  /** Viewers of a page learn that the service has changed. */
  function look(page: number, viewers = 1) {
    const [{ state }, since, sinceMs] = [service, renders.mark(), Date.now()];
    for (let viewer = 0; viewer < viewers; viewer++) {
      const latest = renders.latest(shownOf(`page ${page}`), since, render(page));
      looks.push(
        latest.then((shown) => ({
          page,
          missed: Math.max(0, state - shown.state),
          ms: Date.now() - sinceMs,
        })),
      );
    }
  }
  const gaps = () => service.rendered.slice(1).map(({ at }, i) => at - (service.rendered[i]?.at ?? 0));
  return { renders, service, looks, look, gaps, pages: Array.from({ length: pages }, (_, page) => page) };
}

describe("the pages of one service", () => {
  test("are rendered once a second in all, in turns, however many are open and whatever changes meanwhile", async () => {
    const { service, looks, look, gaps, pages } = changingService(5);
    for (let change = 1; change <= 40; change++) {
      service.state = change;
      for (const page of pages) look(page, 2);
      await vi.advanceTimersByTimeAsync(pageRenderedEveryMs / 2);
    }
    const { rendered } = service;
    expect(rendered.map(({ page }) => page)).toEqual(Array.from({ length: 20 }, (_, turn) => turn % 5));
    expect(new Set(gaps())).toEqual(new Set([pageRenderedEveryMs]));
    await vi.advanceTimersByTimeAsync(5 * pageRenderedEveryMs);
    const shown = await Promise.all(looks);
    expect(shown.length).toBe(40 * 5 * 2);
    expect(shown.filter(({ missed }) => missed > 0)).toEqual([]);
  });

  test("show all that has changed before, within a second for each page that is open, and are never rendered more often", async () => {
    const change = fc.record({ afterMs: fc.nat(2_500), seenOn: fc.uniqueArray(fc.nat(5)) });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 12 }), fc.nat(1_500), async (changes, tookMs) => {
        const { service, looks, look, gaps } = changingService(6, tookMs);
        for (const { afterMs, seenOn } of changes) {
          await vi.advanceTimersByTimeAsync(afterMs);
          service.state += 1;
          for (const page of seenOn) look(page, 2);
        }
        await vi.advanceTimersByTimeAsync(20_000);
        const turnMs = Math.max(pageRenderedEveryMs, tookMs);
        const longestMs = pageChangesGatheredMs + 6 * turnMs + tookMs;
        const shown = await Promise.all(looks);
        expect(shown.filter(({ missed, ms }) => missed > 0 || ms > longestMs)).toEqual([]);
        expect(gaps().filter((ms) => ms < turnMs)).toEqual([]);
      }),
      { numRuns: 20 },
    );
  });

  test("wait neither for another service's, nor for the account's own", async () => {
    const { renders, look, looks, pages } = changingService(5);
    for (const page of pages) look(page);
    const others = ["other", "account"].map((owner) =>
      renders.latest(shownOf(`page of ${owner}`, owner), renders.mark(), async () => ({ state: 7 })),
    );
    await vi.advanceTimersByTimeAsync(pageChangesGatheredMs);
    expect(await Promise.all(others)).toEqual([{ state: 7 }, { state: 7 }]);
    await vi.advanceTimersByTimeAsync(5 * pageRenderedEveryMs);
    await Promise.all(looks);
  });

  test("hardly wait for one whose viewers have left without a word, and keep their order", async () => {
    const { service, looks, look } = changingService(6);
    look(0);
    await vi.advanceTimersByTimeAsync(pageChangesGatheredMs - 1);
    look(1);
    look(2);
    await vi.advanceTimersByTimeAsync(pageChangesGatheredMs - 1);
    // These two go on to wait for their turns, and never wake.
    const left = vi.spyOn(globalThis, "setTimeout");
    left.mockImplementation(() => ({}) as ReturnType<typeof setTimeout>);
    await vi.advanceTimersByTimeAsync(1);
    left.mockRestore();
    const before = looks.splice(1);
    expect(before.length).toBe(2);
    for (const page of [3, 4, 5]) look(page);
    await vi.advanceTimersByTimeAsync(5 * pageRenderedEveryMs);
    await Promise.all(looks);
    expect(service.rendered.map(({ page }) => page)).toEqual([0, 3, 4, 5]);
    const [first = 0, ...next] = service.rendered.map(({ at }) => at);
    const start = first + pageRenderedEveryMs + 2 * pageTurnForfeitMs;
    expect(next).toEqual([0, 1, 2].map((turn) => start + turn * pageRenderedEveryMs));
  });
});
