import { describe, expect } from "vitest";
import { fillStorage } from "../../../support/worker/full-storage.ts";
import { isolatedClusterTest as test } from "../../../support/worker/worker-test.ts";
import { prepare, promised, stateOf, succeed } from "../../support/drive.ts";
import { makeWorld } from "../../support/world.ts";

/** What needs no storage, or can do without: it goes on. */
const unwritten: Record<string, string> = {
  "POST /cli-login": "what nobody has confirmed is kept nowhere",
  "POST /v3/accounts/:account/clusters/:cluster/test": "the log of deliveries is a log",
  "POST /v3/accounts/:account/clusters/:cluster/deliveries/:delivery/redeliver": "the same",
};

/** What is read, and noted by whoever reads it first. */
const noting: Record<string, string> = {
  "GET /healthz": "it writes to see whether that can be done",
  "GET /v3/accounts/:account/services/:service/terminations": "it notes which have finished",
  "GET /v3/accounts/:account/services/:service/terminations/:termination": "the same",
};

const changes = promised.filter(({ route, name }) => route.method !== "GET" && !unwritten[name]);
const others = promised.filter(({ route, name }) =>
  route.method === "GET" ? !noting[name] : unwritten[name],
);

const refusal = [503, "10", { error: { status: 503, code: "storage_full" } }];

describe("while nothing can be written", () => {
  test.for(changes)("is refused, changes nothing, and is done once there is room: $name", async (of) => {
    const world = await makeWorld();
    const prepared = await prepare(world, of);
    const before = await stateOf(world);
    const makeRoom = await fillStorage();
    const refused = await prepared.send();
    expect([refused.status, refused.headers.get("retry-after"), await refused.json()]).toMatchObject(refusal);
    expect(await stateOf(world)).toEqual(before);
    makeRoom();
    await succeed(of, await prepared.send());
  });

  test.for(others)("goes on: $name", async (of) => {
    const prepared = await prepare(await makeWorld(), of);
    const statusNow = async () => {
      const answer = await prepared.send();
      await answer.body?.cancel();
      return answer.status;
    };
    const before = await statusNow();
    await fillStorage();
    expect(await statusNow()).toBe(before);
  });
});
