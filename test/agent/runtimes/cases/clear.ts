import { expect } from "vitest";
import { collect, never } from "../../support/streams.ts";
import type { Case } from "./kit.ts";

/** What a runtime removes that nobody knows of any more. */
export function clearCases(test: Case): void {
  test("clears away ended backends that nobody knows, and none that is known or runs", async (bench) => {
    const running = await bench.startUntil("serving", "serve");
    const known = await bench.start("exit", { CODE: "3" });
    const unknown = await bench.start("exit", { CODE: "4" });
    await Promise.all([known.exited, unknown.exited]);
    await bench.runtime.clear({ isKnown: (backendId) => backendId === known.id });
    expect(await bench.listedIds()).toEqual([running.id, known.id].toSorted());
    expect(await collect(bench.runtime.logs(known.id, never))).toEqual(["bye"]);
    // A runtime made anew sees the same.
    const anew = await bench.place.open();
    await (await anew.list()).find(({ backendId }) => backendId === known.id)?.exited;
    await anew.clear({ isKnown: () => false, isClosing: true });
    expect((await anew.list()).map(({ backendId }) => backendId)).toEqual([running.id]);
  });

  test("clears nothing away of a backend that is being started", async (bench) => {
    const spec = bench.spec("serve");
    const starting = bench.runtime.start(spec);
    let isStarting = true;
    void starting.finally(() => {
      isStarting = false;
    });
    while (isStarting) await bench.runtime.clear({ isKnown: () => false });
    expect(await starting).toMatchObject({ ok: true });
    expect(await bench.listedIds()).toEqual([spec.backendId]);
  });
}
