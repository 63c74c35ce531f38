import { uptime } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { bootId } from "../../../../src/agent/control-plane/boot-id.ts";
import { writeLease } from "../../../../src/agent/control-plane/lease-file.ts";
import { eventually } from "../../support/eventually.ts";
import { collect, never } from "../../support/streams.ts";
import { groupsOf, imagesOf, leaderOf, type ProcessPlace, specOf, testProcessPlace } from "./subject.ts";

vi.setConfig({ testTimeout: 40_000 });

const boot = bootId() ?? "";
const hasProc = process.platform === "linux";

/** A runtime whose shells watch a lease, which the test keeps. No agent is there that could end anything. */
async function leased(script: string) {
  const place: ProcessPlace = await testProcessPlace();
  const path = join(place.dir, "..", "the agent's lease");
  const keep = (forMs: number, of = boot) => writeLease(path, { boot: of, sentAtMs: uptime() * 1000, forMs });
  keep(600_000);
  const runtime = place.open({ images: imagesOf("/bin/sh", "-c", script), lease: { path, boot } });
  return {
    place,
    runtime,
    keep,
    keyed: (id: string) => ({ ...specOf(id), labels: { key: "doc" }, mayRun: () => true }),
  };
}

const stubborn = `trap '' TERM HUP INT; echo ready; while :; do sleep 0.05; done`;

test.runIf(hasProc)(
  "what has a key is killed with all its descendants when the kept lease runs out, and nothing else",
  async () => {
    const { place, runtime, keep, keyed } = await leased(`(${stubborn}) & ${stubborn}`);
    const started = await runtime.start(keyed("keyed"));
    if (!started.ok) throw new Error(started.error.message);
    await runtime.start(specOf("unkeyed"));
    await runtime.stop("keyed", "soft");
    keep(0);
    expect(await started.value.exited).toBe(137);
    expect(await groupsOf(place.dir)).toEqual([await leaderOf(place, "unkeyed")]);
  },
);

test.runIf(hasProc).for([
  ["of another boot", "0f3a6de6-cda0-4b07-8b11-7992d764677f", 600_000],
  ["that has run out", boot, 0],
] as const)("with a lease %s nothing with a key is started", async ([, of, forMs]) => {
  const { place, runtime, keep, keyed } = await leased(stubborn);
  keep(forMs, of);
  expect(await runtime.start(keyed("keyed"))).toMatchObject({ ok: false });
  expect(await runtime.start(specOf("unkeyed"))).toMatchObject({ ok: true });
  expect(await groupsOf(place.dir)).toEqual([await leaderOf(place, "unkeyed")]);
});

test.runIf(hasProc)(
  "a lease that is renewed in time ends nothing, and the watch changes nothing of a backend",
  async () => {
    const { place, runtime, keep, keyed } = await leased("read -r line <&0; env; exit 3");
    const names = ["format", "kept", "sent", "end", "again", "up", "_"];
    const env = Object.fromEntries(names.map((name) => [name, "as given"]));
    const started = await runtime.start({ ...keyed("keyed"), env });
    if (!started.ok) throw new Error(started.error.message);
    keep(600_000);
    expect(await started.value.exited).toBe(3);
    const lines = await collect(runtime.logs("keyed", never));
    for (const name of names.slice(0, -1)) expect(lines).toContain(`${name}=as given`);
    await eventually(() => groupsOf(place.dir)).toEqual([]);
  },
);
