import { expect } from "vitest";
import type { Usage } from "../../../../src/agent/runtimes/runtime.ts";
import { collect, never } from "../../support/streams.ts";
import type { Case } from "./kit.ts";

const megabyte = 1024 * 1024;
/** More than an idle program uses, and less than a busy one gets even on a machine that others use too. */
const someShare = 0.03;

function shareOf({ cpuUsed, systemCpu }: Usage): number {
  return cpuUsed / systemCpu;
}

export function statsCases(test: Case): void {
  test("a busy backend is seen to use the processor, an idle one not", async (bench) => {
    const busy = await bench.start("busy");
    const idle = await bench.startUntil("serving", "serve");
    for (const [{ id }, isReached] of [
      [busy, (share: number) => share > someShare],
      [idle, (share: number) => share < someShare],
    ] as const) {
      for await (const usage of bench.runtime.stats(id, never)) {
        expect(usage.systemCpu).toBeGreaterThan(0);
        expect(shareOf(usage)).toBeGreaterThanOrEqual(0);
        expect(shareOf(usage)).toBeLessThan(1.2);
        if (isReached(shareOf(usage))) break;
      }
    }
    expect(await bench.listedIds()).toEqual([busy.id, idle.id].toSorted());
  });

  test("the memory that a backend uses and may still use is plausible", async (bench) => {
    const { id } = await bench.startUntil("serving", "serve");
    for await (const { memoryUsedBytes, memoryAvailableBytes } of bench.runtime.stats(id, never)) {
      expect(memoryUsedBytes).toBeGreaterThan(32 * 1024);
      expect(memoryUsedBytes).toBeLessThan(1024 * megabyte);
      expect(memoryAvailableBytes).toBeGreaterThan(megabyte);
      break;
    }
  });

  test("samples end with the backend", async (bench) => {
    const { id } = await bench.startUntil("serving", "serve");
    let samples = 0;
    for await (const _usage of bench.runtime.stats(id, never)) {
      if (++samples === 1) await bench.runtime.stop(id, "hard");
    }
    expect(samples).toBeLessThan(4);
    expect(await collect(bench.runtime.stats(id, never))).toEqual([]);
  });

  test("samples end when they are aborted", async (bench) => {
    const { id } = await bench.start("serve");
    const abort = new AbortController();
    let samples = 0;
    for await (const _usage of bench.runtime.stats(id, abort.signal)) {
      samples++;
      abort.abort();
    }
    expect(samples).toBe(1);
    expect(await collect(bench.runtime.stats(id, AbortSignal.abort()))).toEqual([]);
  });

  test("there are no samples of a backend that was never there", async (bench) => {
    expect(await collect(bench.runtime.stats(bench.spec("serve").backendId, never))).toEqual([]);
  });
}
