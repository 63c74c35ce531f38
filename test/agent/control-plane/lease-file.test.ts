import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { openJournal } from "../../../src/agent/backends/journal.ts";
import { agentClock } from "../../../src/agent/clock.ts";
import { bootId } from "../../../src/agent/control-plane/boot-id.ts";
import { leaseFileIn, readLease, writeLease } from "../../../src/agent/control-plane/lease-file.ts";
import { startCluster, testFolder } from "../support/cluster.ts";

const boot = "5f3a6de6-cda0-4b07-8b11-7992d764677f";
const lease = { boot, sentAtMs: 12_340, forMs: 45_000 };

test("a lease that was kept is read as it was, and one without a known boot too", async () => {
  const path = leaseFileIn(await testFolder());
  expect(readLease(path)).toBeNull();
  for (const kept of [lease, { ...lease, boot: null }, { ...lease, sentAtMs: 0 }]) {
    writeLease(path, kept);
    expect(readLease(path)).toEqual(kept);
  }
});

test("a lease is kept in the room of the one before, which a full disk has too", async () => {
  const path = leaseFileIn(await testFolder());
  const lengths = [0, 1, 10 ** 12].map((sentAtMs) => {
    writeLease(path, { ...lease, sentAtMs });
    return readFileSync(path).length;
  });
  expect(new Set(lengths).size).toBe(1);
});

test.for([
  ["nothing", ""],
  ["a line that was read while it was written", `1 ${boot} 1234 5734 5834\n`],
  ["a line without its end", `1 ${boot} 1234 5734 5734`],
  ["another format", `2 ${boot} 1234 5734 5734\n`],
] as const)("%s is no lease", async ([, text]) => {
  const path = leaseFileIn(await testFolder());
  writeFileSync(path, text);
  expect(readLease(path)).toBeNull();
});

test("what a later version appends to the line is passed over", async () => {
  const path = leaseFileIn(await testFolder());
  writeFileSync(path, `1 ${boot} 1234 5734 5734 more than that\n`);
  expect(readLease(path)).toEqual(lease);
});

test("a lease that an earlier version has kept in its journal is taken over", async () => {
  const dir = await testFolder();
  const stateDir = join(dir, "state");
  openJournal(stateDir, { account: "acme", cluster: "eu-prod" }).close();
  const database = new DatabaseSync(join(stateDir, "agent.db"));
  const put = database.prepare("INSERT INTO lease (one, boot, sent_at_ms, for_ms) VALUES (1, ?, ?, ?)");
  put.run(bootId(), agentClock.sinceBootMs(), 45_000);
  database.close();
  const cluster = await startCluster({ dir, apiUrl: "http://127.0.0.1:1", leased: false });
  expect(cluster.events.find(({ event }) => event === "agent.started")?.fields).toMatchObject({
    is_leased: true,
  });
  expect(readLease(leaseFileIn(stateDir))).toMatchObject({ boot: bootId(), forMs: 45_000 });
});
