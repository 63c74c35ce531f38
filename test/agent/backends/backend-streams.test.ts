import { expect, test } from "vitest";
import { fail } from "../../../src/domain/result.ts";
import { startBackends } from "../support/backends.ts";
import { gate } from "../support/gate.ts";
import { fixtureImages } from "../support/images.ts";
import { collect, never } from "../support/streams.ts";

test("the output of a backend that is still being pulled is waited for and followed to its end", async () => {
  const pull = gate();
  const agent = await startBackends({
    images: async (reference, signal) => {
      await pull.opened;
      return fixtureImages(reference, signal);
    },
  });
  const id = agent.spawn("print-and-exit");
  const lines = agent.lines(id);
  pull.open();
  expect(await lines).toEqual(["first", "second", "last"]);
});

test("the last output of an ended backend is there while its end is remembered", async () => {
  const agent = await startBackends();
  const id = agent.spawn("print-and-exit");
  await agent.forgotten(id);
  expect(await agent.lines(id)).toEqual(["first", "second", "last"]);
  expect(await agent.lines(id)).toEqual(["first", "second", "last"]);
});

test("a backend that never started says why, also after a restart", async () => {
  const agent = await startBackends({
    images: async () => fail("image_not_found", "there is no such image"),
  });
  const id = agent.spawn("serve");
  await agent.forgotten(id);
  const why = ["slipway: the backend never started: there is no such image"];
  expect(await agent.lines(id)).toEqual(why);
  await agent.close();
  const next = await startBackends({ dir: agent.dir });
  expect(await next.lines(id)).toEqual(why);
});

test("a backend that was ended before it was started says so", async () => {
  const pull = gate();
  const agent = await startBackends({
    images: async (reference, signal) => {
      await pull.opened;
      return fixtureImages(reference, signal);
    },
  });
  const id = agent.spawn("serve");
  const lines = agent.lines(id);
  agent.backends.terminate(id, "soft", "external");
  expect(await lines).toEqual([
    "slipway: the backend never started: it was ended before it was started: external",
  ]);
  pull.open();
});

test("a reader that leaves while a backend is pulled or runs is let go at once", async () => {
  const pull = gate();
  const agent = await startBackends({
    images: async (reference, signal) => {
      await pull.opened;
      return fixtureImages(reference, signal);
    },
  });
  const id = agent.spawn("serve");
  const early = new AbortController();
  const lines = agent.lines(id, early.signal);
  early.abort();
  expect(await lines).toEqual([]);
  pull.open();
  expect(await agent.backends.get(id)?.whenReady(20_000)).toBe(true);
  const late = new AbortController();
  const following = agent.lines(id, late.signal);
  late.abort();
  expect(await following).toEqual([]);
});

test("of what this agent does not know there is no output and no usage", async () => {
  const agent = await startBackends();
  agent.backends.terminate("k3f9q7h3kq2m9", "hard", "external");
  for (const id of ["k3f9q7h3kq2m9", "k3f9qnever000"]) {
    expect([agent.backends.logs(id, never), agent.backends.stats(id, never)]).toEqual([null, null]);
  }
});

test("usage is sampled from a backend's start to its end, and of an ended one there is none", async () => {
  const agent = await startBackends();
  const id = agent.spawn("serve");
  const samples = agent.backends.stats(id, never);
  if (!samples) throw new Error("the backend is not known");
  let seen = 0;
  for await (const { memoryUsedBytes } of samples) {
    expect(memoryUsedBytes).toBeGreaterThan(0);
    if (seen++ === 0) agent.backends.terminate(id, "hard", "external");
  }
  expect(seen).toBeGreaterThan(0);
  await agent.forgotten(id);
  const none = agent.backends.stats(id, never);
  expect(none && (await collect(none))).toEqual([]);
});
