import { describe, expect, test } from "vitest";
import { z } from "zod";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { createdAccount } from "../../../src/protocol/v3/accounts.ts";
import { createdCluster } from "../../../src/protocol/v3/clusters.ts";
import { image } from "../../../src/protocol/v3/images.ts";
import { pinAnswer } from "../../../src/protocol/v3/services.ts";
import type { SpawnWebhookData } from "../../../src/protocol/webhooks/webhook.ts";
import { call } from "../../support/api.ts";
import { startRecordingCluster } from "../../support/clusters/recording-cluster.ts";
import { makeFolder } from "../../support/folder.ts";
import { killableWorker } from "../../support/killable/worker.ts";
import { share } from "../../support/shared.ts";

const digestOf = (n: number) => `sha256:${n.toString(16).padStart(64, "0")}`;
const hello = "/v3/accounts/acme/services/hello";
let api: { api_url: string; token: string };
let spawns: () => Map<string, SpawnWebhookData>;

share({
  async start(stack) {
    const folder = stack.use(await makeFolder());
    const cluster = stack.use(await startRecordingCluster());
    const worker = stack.use(await killableWorker(folder.path));
    await worker.start();
    const root = { api_url: worker.apiUrl, token: worker.rootToken };
    const account = await call(root, createdAccount, "/v3/accounts", { json: { name: "acme" } });
    api = { api_url: worker.apiUrl, token: account.token.secret_token };
    await call(api, createdCluster, "/v3/accounts/acme/clusters", {
      json: { name: "main", webhook_url: cluster.url, backend_url_template: `${cluster.url}/{backend_id}` },
    });
    await call(api, z.looseObject({}), "/v3/accounts/acme/services", { json: { name: "hello" } });
    for (let n = 1; n <= 10; n++) {
      const tag = n === 1 ? "latest" : `v${n}`;
      await call(api, image, `${hello}/images`, { json: { digest: digestOf(n), tag } });
    }
    spawns = () =>
      new Map(
        cluster.messages.flatMap((message) =>
          message.type === "backend.spawn" ? [[message.data.backend_id, message.data] as const] : [],
        ),
      );
  },
});

const connect = (json: object) => call(api, connectAnswer, "/v2/service/acme/hello/connect", { json });

describe("many clients at once, over HTTP", () => {
  test("start one backend for each key, however many connect with it", async () => {
    const keys = Array.from({ length: 8 }, (_, i) => `doc-${i}`);
    const connections = await Promise.all(
      Array.from({ length: 160 }, async (_, i) => {
        const key = keys[i % keys.length] ?? "";
        return { key, ...(await connect({ key })) };
      }),
    );
    for (const key of keys) {
      const ofKey = connections.filter((connection) => connection.key === key);
      expect(new Set(ofKey.map(({ backend_id }) => backend_id)).size).toBe(1);
      expect(ofKey.filter(({ spawned }) => spawned)).toHaveLength(1);
    }
  });

  test("never get an earlier pin than the one acknowledged before their requests", async () => {
    let acknowledged = 0;
    let pinning = true;
    const pinner = (async () => {
      for (let n = 0; n < 40; n++) {
        const json = { image: digestOf((n % 10) + 1) };
        const path = `${hello}/environments/default/pin`;
        acknowledged = (await call(api, pinAnswer, path, { method: "PUT", json })).revision;
      }
      pinning = false;
    })();
    const seen: { floor: number; id: string }[] = [];
    const spawner = async () => {
      while (pinning) {
        const floor = acknowledged;
        seen.push({ floor, id: (await connect({})).backend_id });
      }
    };
    await Promise.all([pinner, spawner(), spawner(), spawner(), spawner()]);
    const sent = spawns();
    expect(seen.length).toBeGreaterThan(20);
    for (const { floor, id } of seen) {
      const spawn = sent.get(id);
      expect(spawn?.pin.revision).toBeGreaterThanOrEqual(floor);
      expect(spawn?.pin.image).toBe(spawn?.image.digest);
    }
  });

  test("get fencing tokens that differ, and that increase from one request to the next", async () => {
    const clients = Array.from({ length: 8 }, async () => {
      const ids: string[] = [];
      for (let i = 0; i < 10; i++) ids.push((await connect({})).backend_id);
      return ids;
    });
    const idsOfClients = await Promise.all(clients);
    const sent = spawns();
    const tokenOf = (id: string) => sent.get(id)?.fencing_token ?? Number.NaN;
    for (const ids of idsOfClients) {
      const tokens = ids.map(tokenOf);
      expect(tokens).toEqual(tokens.toSorted((a, b) => a - b));
    }
    expect(new Set([...sent.values()].map(({ fencing_token }) => fencing_token)).size).toBe(sent.size);
  });
});
