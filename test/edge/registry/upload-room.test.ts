import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  blobPartBytes,
  partHolderShowsEveryMs,
  partHolderSilentMs,
  partsInMemoryMax,
  uploadBlockBytes,
  uploadStalledMs,
} from "../../../src/domain/limits.ts";
import { emptyUpload } from "../../../src/domain/registry/upload.ts";
import { TokenCache } from "../../../src/edge/admission/token-cache.ts";
import { PartRoom } from "../../../src/edge/registry/part-room.ts";
import { receive } from "../../../src/edge/registry/receive.ts";
import { createRegistryApp } from "../../../src/edge/registry/registry-app.ts";
import type { BlobStore } from "../../../src/objects/blobs/blob-store.ts";
import { apiOrigin, createAccount, createService } from "../../support/worker/api.ts";
import { basic, refusalOf, sha, someBytes } from "../../support/worker/registry.ts";

const uploads = 40;
/** Sent before a client stalls, and in all: a part, and some more. */
const [sentBytes, wholeBytes] = [24, 88].map((blocks) => blocks * uploadBlockBytes) as [number, number];
/** What an upload may hold beside its part: a block that came, and one that it reads. */
const besideBytes = uploads * 2 * uploadBlockBytes;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "Date"] });
});

afterEach(() => {
  vi.useRealTimers();
});

/** As long as a client may take before it has stalled, and is seen to. */
const tick = () => vi.advanceTimersByTimeAsync(uploadStalledMs + partHolderShowsEveryMs);

/** A store that counts what it gets, and keeps what is read back. */
function countingStore() {
  const kept = new Map<string, Uint8Array<ArrayBuffer>>();
  const counted = { stored: 0, asides: 0 };
  const unused = async () => {
    throw new Error("no upload of these needs it");
  };
  const store: BlobStore = {
    async put(key, body, length) {
      if (body instanceof ReadableStream) throw new Error("no upload of these is put as a stream");
      kept.set(key, body.slice());
      counted.asides += length;
    },
    async get(key) {
      const bytes = kept.get(key);
      if (!bytes) return null;
      counted.asides -= bytes.byteLength;
      return new Blob([bytes]).stream();
    },
    createMultipart: async (key) => `${key}-parts`,
    async putPart(_key, _id, part, { byteLength }) {
      counted.stored += byteLength;
      return String(part);
    },
    ...{ size: unused, delete: unused, completeMultipart: unused, abortMultipart: async () => {} },
  };
  return { store, counted, kept };
}

/** A client that sends by blocks, and what of them was taken. */
function client(room: PartRoom, store: BlobStore, key: string, content: Uint8Array<ArrayBuffer>) {
  const { readable, writable } = new IdentityTransformStream();
  const writer = writable.getWriter();
  const begun = { credentialId: "c", at: 0 };
  const upload = { id: key, key, version: 0, state: emptyUpload, begun, room: null };
  const attempt = { ...upload, chunkKey: `${key}-1`, numbers: { first: 1, count: 9 } };
  const ports = {
    store,
    room: room.of("acme"),
    beginMultipart: async (id: string) => id,
    moreParts: async () => null,
  };
  const one = {
    taken: 0,
    received: receive(ports, attempt, { body: readable, length: null }, "sha256"),
    async send(until: number) {
      for (; one.taken < until; one.taken += uploadBlockBytes) {
        await writer.write(content.subarray(one.taken, one.taken + uploadBlockBytes));
      }
    },
    end: () => writer.close(),
    goAway: () => writer.abort(new Error("the client is gone")),
  };
  return one;
}

describe("uploads that stall with bytes under way", () => {
  test("hold no more than the isolate has room for, and all of them end well once they go on", async () => {
    const room = new PartRoom(Date.now);
    const { store, counted } = countingStore();
    const content = someBytes(wholeBytes);
    const clients = Array.from({ length: uploads }, (_, i) => client(room, store, `k${i}`, content));
    let mostHeld = 0;
    const look = () => {
      const taken = clients.reduce((total, one) => total + one.taken, 0);
      mostHeld = Math.max(mostHeld, taken - counted.stored - counted.asides);
      expect(room.counts.held).toBeLessThanOrEqual(partsInMemoryMax);
    };
    const sendAll = async (until: number) => {
      let isSent = false;
      const sent = Promise.all(clients.map((one) => one.send(until))).then(() => {
        isSent = true;
      });
      while (!isSent) {
        look();
        await tick();
      }
      await sent;
      look();
    };

    await sendAll(sentBytes);
    // Who has stalled has given its room to the next.
    expect(counted.asides).toBeGreaterThan(0);
    await sendAll(wholeBytes);
    const ended = Promise.all(clients.map((one) => one.end()));
    let isReceived = false;
    const received = Promise.all(clients.map((one) => one.received)).then((states) => {
      isReceived = true;
      return states;
    });
    while (!isReceived) await tick();
    await ended;
    const digest = await sha(content);
    for (const state of await received) {
      expect(state).toMatchObject({
        offset: wholeBytes,
        digest,
        tail: { length: wholeBytes - blobPartBytes },
        parts: [{ part: 1 }],
      });
    }
    expect(mostHeld).toBeLessThanOrEqual(partsInMemoryMax * blobPartBytes + besideBytes);
    expect(room.counts).toEqual({ held: 0, awaited: 0 });
  });

  test("keep their bytes in memory while nobody else needs the room", async () => {
    const room = new PartRoom(Date.now);
    const { store, counted } = countingStore();
    const alone = client(room, store, "alone", someBytes(wholeBytes));
    await alone.send(sentBytes);
    for (let ticks = 0; ticks < 5; ticks++) await tick();
    expect([counted.asides, room.counts.held]).toEqual([0, 1]);
  });
});

test("a manifest that stalls while others wait for its room is to be sent again", async () => {
  const account = await createAccount();
  await createService(account);
  const app = createRegistryApp(new TokenCache(Date.now), Date.now);
  const authorization = basic(account.name, account.admin);
  const answers = Array.from({ length: partsInMemoryMax + 1 }, () => {
    const { readable, writable } = new IdentityTransformStream();
    void writable.getWriter().write(someBytes(3 * uploadBlockBytes));
    const init = { method: "PUT", headers: { authorization }, body: readable };
    return app.fetch(new Request(`${apiOrigin}/v2/${account.name}/hello/manifests/a`, init), env);
  });
  let isAnswered = false;
  const first = Promise.race(answers).then((answer) => {
    isAnswered = true;
    return answer;
  });
  while (!isAnswered) await tick();
  expect(await refusalOf(await first)).toEqual([429, "TOOMANYREQUESTS"]);
});

describe("room in memory is given back", () => {
  /** As many uploads as hold all of it, and one that waits. */
  async function crowd(store: BlobStore) {
    const room = new PartRoom(Date.now);
    const content = someBytes(wholeBytes);
    const clients = Array.from({ length: partsInMemoryMax + 1 }, (_, i) =>
      client(room, store, `k${i}`, content),
    );
    const sending = clients.map((one) => one.send(sentBytes));
    await vi.waitFor(() => expect(room.counts).toEqual({ held: partsInMemoryMax, awaited: 1 }));
    return { room, clients, sending, waiting: clients.at(-1) };
  }

  test("by a client that goes away", async () => {
    const { room, clients, waiting } = await crowd(countingStore().store);
    const [gone] = clients;
    const received = expect(gone?.received).rejects.toThrow();
    await gone?.goAway();
    await received;
    await vi.waitFor(() => expect(waiting?.taken).toBe(sentBytes));
    expect(room.counts).toEqual({ held: partsInMemoryMax, awaited: 0 });
  });

  test("by one that went away while it waited, as soon as its turn comes", async () => {
    const { room, sending, waiting } = await crowd(countingStore().store);
    const failed = Promise.all([
      expect(waiting?.received).rejects.toThrow(),
      expect(sending.at(-1)).rejects.toThrow(),
    ]);
    await waiting?.goAway();
    // Until one of those that have stalled gives its part up.
    await tick();
    await failed;
    expect(room.counts.awaited).toBe(0);
  });

  test("by one whose store fails", async () => {
    const { store } = countingStore();
    const failing: BlobStore = {
      ...store,
      async putPart() {
        throw new Error("the store has failed");
      },
    };
    const { room, clients } = await crowd(failing);
    const received = clients.map((one) => expect(one.received).rejects.toThrow("the store has failed"));
    for (const one of clients) one.send(wholeBytes).catch(() => {});
    await Promise.all(received);
    expect(room.counts).toEqual({ held: 0, awaited: 0 });
  });

  test("by a request that ended without a word, which shows no more that it is there", async () => {
    const room = new PartRoom(Date.now);
    for (let holders = 0; holders < partsInMemoryMax; holders++) room.of("acme").enter();
    vi.clearAllTimers();
    const next = room.of("acme").enter();
    expect(room.counts).toEqual({ held: partsInMemoryMax, awaited: 1 });
    await vi.advanceTimersByTimeAsync(partHolderSilentMs);
    await next.granted;
    expect(room.counts).toEqual({ held: 1, awaited: 0 });
    next.leave();
  });
});
