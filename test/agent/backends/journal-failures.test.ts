import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { handleWebhook } from "../../../src/agent/server/webhook.ts";
import { spawnWebhookData } from "../../../src/protocol/webhooks/webhook.ts";
import { startBackends } from "../support/backends.ts";
import { testFolder } from "../support/cluster.ts";
import { spawnData } from "../support/deliveries.ts";
import { eventually } from "../support/eventually.ts";
import { processesIn } from "../support/quick.ts";
import { never } from "../support/streams.ts";

test("a webhook that cannot be written down is answered 500, and nothing is done", async () => {
  const full = (): never => {
    throw new Error("the disk is full");
  };
  const { backends, dir, slipway } = await startBackends({
    // What only reads goes on: the spawn gets as far as its own write.
    journalOver: (journal) => ({ ...journal, addBackend: full, addEnd: full }),
  });
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
  const send = (type: string, data: unknown) =>
    handleWebhook(options, Buffer.from(JSON.stringify({ type, timestamp: "2026-01-01T00:00:00Z", data })), {})
      .status;
  const startsFile = join(dir, "starts");
  const data = spawnData("serve", { key: null, env: { STARTS_FILE: startsFile } });
  expect(send("backend.spawn", data)).toBe(500);
  expect(send("backend.terminate", { backend_id: "k3f9q7h3kq2m9", hard: true, reason: "external" })).toBe(
    500,
  );
  expect(backends.list()).toEqual([]);
  // What was begun all the same would have come this far before another backend, which is begun later, has ended.
  const other = await startBackends();
  const id = other.spawn("exit-3");
  await other.forgotten(id);
  expect([slipway.reports, existsSync(startsFile)]).toEqual([[], false]);
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
