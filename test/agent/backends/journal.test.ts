import { spawn } from "node:child_process";
import { chmod, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { openJournal } from "../../../src/agent/backends/journal.ts";
import type { StatusEntry } from "../../../src/domain/backends/status.ts";
import { spawnWebhookData } from "../../../src/protocol/webhooks/webhook.ts";
import { testFolder } from "../support/cluster.ts";
import { spawnData } from "../support/deliveries.ts";

const owner = { account: "acme", cluster: "eu-prod" };
const scheduled: StatusEntry = { status: "scheduled", time: 1_000 };
const ended: StatusEntry = {
  status: "terminated",
  time: 2_000,
  termination_reason: "internalerror",
  termination_kind: "hard",
  exit_code: 3,
  last_status: "scheduled",
};

const fixture = fileURLToPath(new URL("../fixtures/journal.ts", import.meta.url));

function spawnOf(changes: Record<string, unknown> = {}) {
  return spawnWebhookData.parse(spawnData("serve", changes));
}

test("what was written is there at the next start, as it was", async () => {
  const dir = await testFolder();
  // As an earlier version may have accepted it, which knew fewer limits.
  const former = { env: { A: "\u0000ü𝄞" }, key: "a\nb", mount: "a/b" };
  const spawn = { ...spawnOf({ port: 8080 }), ...former };
  const first = openJournal(dir, owner);
  first.addBackend(spawn, [scheduled]);
  first.setHistory(spawn.backend_id, [scheduled, ended], "no such image");
  first.setAcknowledged(spawn.backend_id, 2);
  first.close();

  const second = openJournal(dir, owner);
  expect(second.backends()).toEqual([
    { spawn, history: [scheduled, ended], acknowledged: 2, failure: "no such image" },
  ]);
  second.close();
});

test("backends come back in the order in which they were spawned", async () => {
  const dir = await testFolder();
  const ids = ["k3f9qzzzzzzzz", "k3f9q00000001", "k3f9qaaaaaaaa"];
  const first = openJournal(dir, owner);
  for (const id of ids) first.addBackend(spawnOf({ backend_id: id }), [scheduled]);
  first.close();
  const second = openJournal(dir, owner);
  expect(second.backends().map(({ spawn }) => spawn.backend_id)).toEqual(ids);
  second.close();
});

test("the agent's id stays the same between starts, unless one is given", async () => {
  const dir = await testFolder();
  const idAt = (agentId?: string) => {
    const journal = openJournal(dir, { ...owner, agentId });
    journal.close();
    return journal.agentId;
  };
  const first = idAt();
  expect(first).not.toBe("");
  expect([idAt(), idAt("chosen"), idAt()]).toEqual([first, "chosen", first]);
});

test("the same backend is not added twice", async () => {
  const journal = openJournal(await testFolder(), owner);
  const spawn = spawnOf();
  journal.addBackend(spawn, [scheduled]);
  expect(() => journal.addBackend(spawn, [scheduled, ended])).toThrow();
  expect(journal.backends()).toMatchObject([{ history: [scheduled] }]);
  journal.close();
});

test("of an ended backend nothing stays but its end, until that is forgotten", async () => {
  const dir = await testFolder();
  const journal = openJournal(dir, owner);
  const spawn = spawnOf({ env: { SECRET: "hunter2" } });
  journal.addBackend(spawn, [scheduled]);
  journal.addEnd(spawn.backend_id, { wasSpawned: true, failure: "no disk" }, 5_000);
  journal.addEnd("k3f9qneverhere", { wasSpawned: false, failure: null }, 6_000);
  expect(journal.backends()).toEqual([]);
  expect(journal.ended(spawn.backend_id)).toEqual({ wasSpawned: true, failure: "no disk" });
  expect(journal.forgetEndsBefore(5_000)).toEqual([]);
  expect(journal.forgetEndsBefore(5_001)).toEqual([spawn.backend_id]);
  expect(journal.ended(spawn.backend_id)).toBeNull();
  expect(journal.ended("k3f9qneverhere")).toEqual({ wasSpawned: false, failure: null });
  journal.close();
});

test("a second agent over the same folder is refused while the first one runs, and may start after it", async () => {
  const dir = await testFolder();
  const first = openJournal(dir, owner);
  expect(() => openJournal(dir, owner)).toThrow(/another agent.*/);
  expect(() => openJournal(dir, owner)).toThrow(dir);
  first.close();
  const second = openJournal(dir, owner);
  second.close();
});

test("a process that holds the journal keeps others out until it is killed, and loses nothing by it", async () => {
  const dir = await testFolder();
  const child = spawn(process.execPath, [fixture, dir], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = new Promise((resolve) => child.once("exit", resolve));
  onTestFinished(() => void child.kill("SIGKILL"));
  await new Promise((resolve) => child.stdout.once("data", resolve));
  expect(() => openJournal(dir, owner)).toThrow(/another agent/);
  child.kill("SIGKILL");
  await exited;
  const journal = openJournal(dir, owner);
  expect(journal.backends().map(({ history }) => history.map(({ status }) => status))).toEqual([
    ["scheduled", "loading", "starting"],
  ]);
  journal.close();
});

test("nobody but its owner can read the journal, also where the file was there before", async () => {
  const dir = join(await testFolder(), "made", "here");
  const first = openJournal(dir, owner);
  first.addBackend(spawnOf(), [scheduled]);
  const modes = async () =>
    Promise.all((await readdir(dir)).map(async (name) => (await stat(join(dir, name))).mode & 0o077));
  expect(await modes()).toEqual([0, 0]);
  expect((await stat(dir)).mode & 0o077).toBe(0);
  first.close();
  await chmod(join(dir, "agent.db"), 0o644);
  const second = openJournal(dir, owner);
  second.setAcknowledged("k3f9q00000001", 1);
  expect(await modes()).toEqual([0, 0]);
  second.close();
});

test("the journal of another cluster or account is refused and left as it is", async () => {
  const dir = await testFolder();
  openJournal(dir, owner).close();
  for (const other of [
    { account: "acme", cluster: "us-prod" },
    { account: "evil", cluster: "eu-prod" },
  ]) {
    expect(() => openJournal(dir, other)).toThrow("`acme/eu-prod`");
  }
  openJournal(dir, owner).close();
});

test("a journal of a newer version is refused and left as it is", async () => {
  const dir = await testFolder();
  openJournal(dir, owner).close();
  const path = join(dir, "agent.db");
  const db = new DatabaseSync(path);
  db.exec("PRAGMA user_version = 99; ALTER TABLE lives ADD COLUMN later TEXT");
  db.close();
  const before = await readFile(path);
  expect(() => openJournal(dir, owner)).toThrow("newer version");
  expect(await readFile(path)).toEqual(before);
});

test("a file that is no journal is refused and left as it is", async () => {
  const dir = await testFolder();
  const path = join(dir, "agent.db");
  await writeFile(path, "not a database, but somebody's notes ".repeat(50));
  const before = await readFile(path);
  expect(() => openJournal(dir, owner)).toThrow(`journal in ${dir}`);
  expect(await readFile(path)).toEqual(before);
});

test("a journal with a row that cannot be read is refused at once", async () => {
  const dir = await testFolder();
  const journal = openJournal(dir, owner);
  journal.addBackend(spawnOf(), [scheduled]);
  journal.close();
  const db = new DatabaseSync(join(dir, "agent.db"));
  db.exec(`UPDATE lives SET history = '[{"status":"asleep","time":1}]'`);
  db.close();
  expect(() => openJournal(dir, owner)).toThrow(`journal in ${dir}`);
});
