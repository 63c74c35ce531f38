import { describe, expect, test } from "vitest";
import { z } from "zod";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { createdAccount, createdToken, tokenList } from "../../../src/protocol/v3/accounts.ts";
import { backendList } from "../../../src/protocol/v3/backends.ts";
import { createdCluster } from "../../../src/protocol/v3/clusters.ts";
import { image, imageList } from "../../../src/protocol/v3/images.ts";
import { history, pinAnswer } from "../../../src/protocol/v3/services.ts";
import { call } from "../api.ts";
import { type RecordingCluster, startRecordingCluster } from "../clusters/recording-cluster.ts";
import { makeFolder } from "../folder.ts";
import { type KillableWorker, killableWorker } from "./worker.ts";

const acknowledgementsPerRound = 80;
const digestOf = (n: number) => `sha256:${n.toString(16).padStart(64, "0")}`;
const hello = "/v3/accounts/acme/services/hello";

/** All that was acknowledged: what a client may rely on from then on. */
interface Acknowledged {
  tokens: string[];
  images: string[];
  pins: { revision: number; digest: string | null }[];
  backends: { id: string; key: string | null }[];
}

async function setUp(worker: KillableWorker, cluster: RecordingCluster): Promise<string> {
  const root = { api_url: worker.apiUrl, token: worker.rootToken };
  const account = await call(root, createdAccount, "/v3/accounts", { json: { name: "acme" } });
  const token = account.token.secret_token;
  const api = { api_url: worker.apiUrl, token };
  await call(api, createdCluster, "/v3/accounts/acme/clusters", {
    json: {
      name: "main",
      webhook_url: `${cluster.url}/webhook`,
      backend_url_template: `${cluster.url}/{backend_id}`,
    },
  });
  await call(api, z.looseObject({}), "/v3/accounts/acme/services", { json: { name: "hello" } });
  await call(api, image, `${hello}/images`, { json: { digest: digestOf(1), tag: "latest" } });
  return token;
}

/** Writes of every kind, several at once, until the server is gone. Calls `acknowledged` after each answer. */
async function streamOfWrites(
  api: { api_url: string; token: string },
  round: number,
  noted: Acknowledged,
  acknowledged: () => void,
): Promise<void> {
  let n = 0;
  const writes = [
    async (i: number) => {
      const key = i % 2 === 0 ? `doc-${round}-${i}` : null;
      const json = key === null ? {} : { key };
      const { backend_id } = await call(api, connectAnswer, "/v2/service/acme/hello/connect", { json });
      noted.backends.push({ id: backend_id, key });
    },
    async (i: number) => {
      const digest = digestOf(round * 1_000_000 + i + 2);
      await call(api, image, `${hello}/images`, { json: { digest, tag: i % 3 === 0 ? "latest" : `t${i}` } });
      noted.images.push(digest);
    },
    async () => {
      const json = { image: noted.images.at(-1) ?? digestOf(1) };
      const path = `${hello}/environments/default/pin`;
      const { revision, digest } = await call(api, pinAnswer, path, { method: "PUT", json });
      noted.pins.push({ revision, digest });
    },
    async (i: number) => {
      const json = { name: `token ${i}`, role: "read" };
      const created = await call(api, createdToken, "/v3/accounts/acme/tokens", { json });
      noted.tokens.push(created.secret_token);
    },
  ];
  const writer = async (first: number) => {
    for (let i = first; ; i++) {
      n += 1;
      await writes[i % writes.length]?.(n);
      acknowledged();
    }
  };
  // Each writer ends with the connection that the kill has closed.
  await Promise.allSettled([writer(0), writer(0), writer(0), writer(1), writer(2), writer(3)]);
}

/** Tests that kill the server so many times, each time in a stream of writes. */
export function testDurability(rounds: number): void {
  describe("killing the server with SIGKILL in a stream of writes", () => {
    test("loses nothing that was acknowledged: pins, images, tokens, backends, keys", {
      timeout: 120_000 + rounds * 20_000,
    }, async () => {
      await using folder = await makeFolder();
      await using cluster = await startRecordingCluster();
      await using worker = await killableWorker(folder.path);
      await worker.start();
      const token = await setUp(worker, cluster);
      const api = { api_url: worker.apiUrl, token };
      const noted: Acknowledged = { tokens: [], images: [digestOf(1)], pins: [], backends: [] };

      for (let round = 1; round <= rounds; round++) {
        let left = acknowledgementsPerRound;
        let killed: Promise<void> | undefined;
        await streamOfWrites(api, round, noted, () => {
          left -= 1;
          if (left === 0) killed = worker.kill();
        });
        await killed;
        const highestToken = Math.max(...fencingTokens(cluster));
        await worker.start();
        await expectAllThere(api, noted);

        const { backend_id, spawned } = await call(api, connectAnswer, "/v2/service/acme/hello/connect", {
          json: {},
        });
        expect(spawned).toBe(true);
        const first = cluster.messages.find(
          (message) => message.type === "backend.spawn" && message.data.backend_id === backend_id,
        );
        expect(first?.type === "backend.spawn" && first.data.fencing_token).toBeGreaterThan(highestToken);
        noted.backends.push({ id: backend_id, key: null });
      }
      expect(noted.backends.length).toBeGreaterThan(rounds * 5);
      expect(noted.pins.length).toBeGreaterThan(rounds * 2);
    });
  });
}

async function expectAllThere(api: { api_url: string; token: string }, noted: Acknowledged): Promise<void> {
  const images = await all(api, `${hello}/images`, imageList, (page) => page.images);
  expect(images.map(({ digest }) => digest)).toEqual(expect.arrayContaining(noted.images));

  const revisions = await all(
    api,
    `${hello}/environments/default/history`,
    history,
    (page) => page.revisions,
  );
  expect(revisions.map(({ revision, digest }) => ({ revision, digest }))).toEqual(
    expect.arrayContaining(noted.pins),
  );
  expect(revisions.map(({ revision }) => revision)).toEqual(
    Array.from(revisions, (_, i) => revisions.length - i),
  );

  const tokens = await all(api, "/v3/accounts/acme/tokens", tokenList, (page) => page.tokens);
  expect(tokens.length).toBeGreaterThanOrEqual(noted.tokens.length);
  for (const token of noted.tokens.slice(-5)) {
    await call({ ...api, token }, z.looseObject({ status: z.literal("ok") }), "/auth");
  }

  const backends = await all(api, `${hello}/backends`, backendList, (page) => page.backends);
  const keyOf = new Map(backends.map(({ id, key }) => [id, key ?? null]));
  for (const { id, key } of noted.backends) expect(keyOf.get(id)).toBe(key);
  const held = [...keyOf.values()].filter((key) => key !== null);
  expect(new Set(held).size).toBe(held.length);
  for (const { id, key } of noted.backends.filter((backend) => backend.key !== null).slice(-5)) {
    const again = await call(api, connectAnswer, "/v2/service/acme/hello/connect", { json: { key } });
    expect(again).toMatchObject({ backend_id: id, spawned: false });
  }
}

async function all<Page extends { next_cursor?: string | undefined }, Item>(
  api: { api_url: string; token: string },
  path: string,
  schema: z.ZodType<Page>,
  items: (page: Page) => Item[],
): Promise<Item[]> {
  const found: Item[] = [];
  let cursor = "";
  do {
    const page: Page = await call(api, schema, `${path}?limit=200${cursor}`);
    found.push(...items(page));
    cursor = page.next_cursor === undefined ? "" : `&cursor=${page.next_cursor}`;
  } while (cursor !== "");
  return found;
}

function fencingTokens(cluster: RecordingCluster): number[] {
  return cluster.messages.flatMap((message) =>
    message.type === "backend.spawn" ? [message.data.fencing_token] : [],
  );
}
