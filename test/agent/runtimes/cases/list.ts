import { expect } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { collect, never } from "../../support/streams.ts";
import { type Case, statusAt } from "./kit.ts";

/** What a runtime has, and what one made anew over the same place finds. */
export function listCases(test: Case): void {
  test("lists what runs and what has ended, until it is removed", async (bench) => {
    const running = await bench.start("serve");
    const ended = await bench.start("exit", { CODE: "3" });
    await ended.exited;
    const found = new Map((await bench.runtime.list()).map((each) => [each.backendId, each]));
    expect([...found.keys()].toSorted()).toEqual([running.id, ended.id].toSorted());
    expect(found.get(running.id)?.address).toEqual(running.address);
    expect(await found.get(ended.id)?.exited).toBe(3);
    await bench.runtime.remove(ended.id);
    expect(await bench.listedIds()).toEqual([running.id]);
  });

  test("a running backend is found by a runtime made anew, which can do with it what the first could", async (bench) => {
    const { id, address } = await bench.startUntil("ready", "handle-sigterm");
    const anew = await bench.place.open();
    const [found] = await anew.list();
    expect(found).toMatchObject({ backendId: id, address });
    const lines = collect(anew.logs(id, never));
    await anew.stop(id, "soft");
    expect(await found?.exited).toBe(5);
    expect(await lines).toEqual(["ready", "ending"]);
    await anew.remove(id);
    expect(await (await bench.place.open()).list()).toEqual([]);
  });

  test("a backend that was found can be ended hard", async (bench) => {
    const { id, address } = await bench.startUntil("serving", "descendant");
    const anew = await bench.place.open();
    const [found] = await anew.list();
    await anew.stop(id, "hard");
    expect(await found?.exited).toBe(137);
    expect(await statusAt(address)).toBeNull();
  });

  test("a stop by a runtime made anew needs no list before it", async (bench) => {
    const { id, exited } = await bench.startUntil("serving", "serve");
    await (await bench.place.open()).stop(id, "soft");
    expect(await exited).toBe(143);
  });

  test("an ended backend is found by a runtime made anew, with its exit code and its output", async (bench) => {
    const byItself = await bench.start("exit", { CODE: "3" });
    const killed = await bench.start("serve");
    await bench.runtime.stop(killed.id, "hard");
    await Promise.all([byItself.exited, killed.exited]);
    const anew = await bench.place.open();
    const found = new Map((await anew.list()).map(({ backendId, exited }) => [backendId, exited]));
    expect(await found.get(byItself.id)).toBe(3);
    expect(await found.get(killed.id)).toBe(137);
    expect(await collect(anew.logs(byItself.id, never))).toEqual(["bye"]);
  });

  test("a start of a backend that is listed is refused, and leaves that one as it was", async (bench) => {
    const running = await bench.startUntil("serving", "serve");
    const ended = await bench.start("exit", { CODE: "3" });
    await ended.exited;
    for (const runtime of [bench.runtime, await bench.place.open()]) {
      for (const backendId of [running.id, ended.id]) {
        expect(await runtime.start({ ...bench.spec("serve"), backendId })).toMatchObject({ ok: false });
      }
    }
    await eventually(() => statusAt(running.address)).toBe(200);
    expect(await bench.listedIds()).toEqual([running.id, ended.id].toSorted());
    expect(await collect(bench.runtime.logs(ended.id, never))).toEqual(["bye"]);
  });

  test("of two starts of one backend at once, one succeeds", async (bench) => {
    const spec = bench.spec("serve");
    const results = await Promise.all([bench.runtime.start(spec), bench.runtime.start(spec)]);
    expect(results.map(({ ok }) => ok).toSorted()).toEqual([false, true]);
    expect(await bench.listedIds()).toEqual([spec.backendId]);
  });

  test("an id whose backend was removed can be started again, with nothing of the first", async (bench) => {
    const spec = bench.spec("exit", { env: { CODE: "3" } });
    const first = await bench.runtime.start(spec);
    expect(first.ok && (await first.value.exited)).toBe(3);
    await bench.runtime.remove(spec.backendId);
    const second = await bench.runtime.start({ ...spec, env: { CODE: "4" } });
    expect(second.ok && (await second.value.exited)).toBe(4);
    expect(await collect(bench.runtime.logs(spec.backendId, never))).toEqual(["bye"]);
  });
}
