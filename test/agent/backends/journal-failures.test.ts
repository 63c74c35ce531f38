import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Backends } from "../../../src/agent/backends/backends.ts";
import { handleWebhook } from "../../../src/agent/server/webhook.ts";
import { spawnWebhookData } from "../../../src/protocol/webhooks/webhook.ts";
import { startBackends } from "../support/backends.ts";
import { testFolder } from "../support/cluster.ts";
import { spawnData } from "../support/deliveries.ts";
import { eventually } from "../support/eventually.ts";
import { processesIn } from "../support/quick.ts";
import { never } from "../support/streams.ts";

/** What handles the webhooks of an agent that has these backends. */
async function receiver(backends: Backends) {
  const options = {
    verify: () => ({ ok: true }) as const,
    account: "acme",
    cluster: "eu-prod",
    backends,
    lease: { check: () => true },
    urlOf: (id: string) => `https://backends.example.com/${id}`,
    runtime: processesIn(await testFolder()),
    announce: () => undefined,
    closing: never,
    log: () => undefined,
  };
  return (type: string, data: unknown) =>
    handleWebhook(
      options,
      Buffer.from(JSON.stringify({ type, timestamp: "2026-01-01T00:00:00Z", data })),
      {},
    );
}

test.for([
  [{}, 500],
  [{ code: "ENOSPC" }, 503],
  [{ code: "EDQUOT" }, 503],
  [{ code: "ERR_SQLITE_ERROR", errcode: 13 }, 503],
  [{ code: "ERR_SQLITE_ERROR", errcode: 778 }, 503],
  [{ code: "ERR_SQLITE_ERROR", errcode: 11 }, 500],
] as const)(
  "a webhook that cannot be written down, for the error %j, is answered %i, and nothing is done",
  async ([error, status]) => {
    const full = (): never => {
      throw Object.assign(new Error("it is not written"), error);
    };
    const { backends, dir, slipway } = await startBackends({
      // What only reads goes on: the spawn gets as far as its own write.
      journalOver: (journal) => ({ ...journal, addBackend: full, addEnd: full }),
    });
    const send = await receiver(backends);
    const startsFile = join(dir, "starts");
    const spawned = send(
      "backend.spawn",
      spawnData("serve", { key: null, env: { STARTS_FILE: startsFile } }),
    );
    expect(spawned.status).toBe(status);
    expect(spawned.headers).toEqual(status === 503 ? { "retry-after": "5" } : undefined);
    if (status === 503) expect(JSON.stringify(spawned.body)).toContain("no space left on the disk");
    const terminated = { backend_id: "k3f9q7h3kq2m9", hard: true, reason: "external" };
    expect(send("backend.terminate", terminated).status).toBe(status);
    expect(backends.list()).toEqual([]);
    // What was begun all the same would have come this far before another backend, which is begun later, has ended.
    const other = await startBackends();
    const id = other.spawn("exit-3");
    await other.forgotten(id);
    expect([slipway.reports, existsSync(startsFile)]).toEqual([[], false]);
  },
);

test("a termination that cannot be written down is begun, and to be sent again until it is", async () => {
  let isFull = false;
  const { backends, slipway, spawn, forgotten } = await startBackends({
    journalOver: (journal) => ({
      ...journal,
      setHistory(...params) {
        if (isFull) throw new Error("the disk is full");
        journal.setHistory(...params);
      },
    }),
  });
  const send = await receiver(backends);
  const id = spawn("ignore-sigterm");
  await eventually(() => slipway.statusesOf(id)).toContain("ready");
  const terminate = (hard: boolean) =>
    send("backend.terminate", { backend_id: id, hard, reason: "external" }).status;
  isFull = true;
  expect(terminate(false)).toBe(503);
  await eventually(() => slipway.statusesOf(id).at(-1)).toBe("terminating");
  isFull = false;
  await eventually(() => terminate(false)).toBe(200);
  expect(terminate(true)).toBe(200);
  await forgotten(id);
});

test("a status that cannot be written down is entered and reported all the same", async () => {
  const { backends, journal, slipway } = await startBackends();
  const data = spawnWebhookData.parse(spawnData("exit-on-sigterm"));
  backends.spawn(data);
  journal.close();
  await eventually(() => slipway.statusesOf(data.backend_id)).toContain("ready");
  backends.terminate(data.backend_id, "soft", "external");
  await eventually(() => slipway.acknowledged(data.backend_id).at(-1)).toMatchObject({ exit_code: 5 });
});
