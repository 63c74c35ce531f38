import { eventStream } from "jamsocket/lib/lib/request.js";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { statusOk } from "../../../src/protocol/jamsocket/v1.ts";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { statusReportAnswer } from "../../../src/protocol/v3/agent.ts";
import { image } from "../../../src/protocol/v3/images.ts";
import { buildBundle } from "../../bench/bundle.ts";
import { openSandbox } from "../../bench/sandbox.ts";
import { call, type Subject, setUpSubject, subjectTexts } from "../../bench/subject.ts";
import { startWorkerd, type Workerd } from "../../bench/workerd.ts";
import { call as request } from "../../support/api.ts";
import { type RecordingCluster, startRecordingCluster } from "../../support/clusters/recording-cluster.ts";
import { type EventStream, openEventStream } from "../../support/event-streams.ts";
import { startRegistryDeployment } from "../../support/registry/deployment.ts";

/*
 * The production Worker in raw workerd, which takes objects out of memory that nothing happened to for ten seconds;
 * its shards are watched (test/support/worker/awakenings.ts).
 */

const streamCount = 2_000;
const backendCount = 200;
/** Measured: 130 KB, of which the runtime takes 120 KB for a connection and a WebSocket to an object that do nothing. */
const bytesOfStreamMax = 200_000;
const atOnce = 50;

let cluster: RecordingCluster;
let workerd: Workerd;
let subject: Subject;

beforeAll(async () => {
  const sandbox = openSandbox();
  cluster = await startRecordingCluster();
  const entry = "test/support/worker/awakenings.ts";
  const bundle = await buildBundle(sandbox, "watched", "wrangler.toml", entry);
  workerd = await startWorkerd(sandbox, bundle, await subjectTexts());
  subject = await setUpSubject(workerd.origin, `${cluster.url}/webhook`);
});
afterAll(async () => {
  await workerd.stop();
  await cluster[Symbol.asyncDispose]();
});

/** Does something for each of `items`, some of them at a time. */
async function forEach<T, R>(items: readonly T[], act: (item: T) => Promise<R>): Promise<R[]> {
  const done: R[] = [];
  for (let i = 0; i < items.length; i += atOnce) {
    done.push(...(await Promise.all(items.slice(i, i + atOnce).map(act))));
  }
  return done;
}

async function spawn(): Promise<string> {
  const { origin, token, connectPath } = subject;
  return (await call(connectAnswer, origin, token, "POST", connectPath, {})).backend_id;
}

/** Reports a status as the agent that runs the backend does. */
function report(id: string, status: string) {
  const spawned = cluster.messages.find(
    (message) => message.type === "backend.spawn" && message.data.backend_id === id,
  );
  const fencing_token = spawned?.type === "backend.spawn" ? spawned.data.fencing_token : 0;
  const path = `/v3/agent/backends/${id}/status`;
  const body = { status, fencing_token };
  return call(statusReportAnswer, subject.origin, subject.agentToken, "POST", path, body);
}

const streamOf = (id: string) => openEventStream(`${subject.origin}/v2/backend/${id}/status/stream`);

async function watched<T>(schema: z.ZodType<T>, path: string): Promise<T> {
  return schema.parse(await (await fetch(`${workerd.origin}/test/${path}`)).json());
}

const awakenings = () => watched(z.record(z.string(), z.int()), "awakenings");
const followersOf = async (id: string) =>
  (await watched(z.object({ followers: z.int() }), `followers/bench/hello/${id}`)).followers;

const hasReceived = (stream: EventStream, status: string) =>
  stream.events.some((event) => event.includes(`"status":"${status}"`));

const until = (condition: () => unknown) => vi.waitFor(condition, { timeout: 30_000, interval: 100 });

/** Until every stream has got an empty line, which is written when it has been idle for some seconds. */
async function allIdle(streams: readonly EventStream[]): Promise<void> {
  await vi.waitFor(() => expect(streams.filter(({ emptyLines }) => emptyLines === 0).length).toBe(0), {
    timeout: 60_000,
    interval: 200,
  });
}

describe("2,000 status streams", () => {
  test("that are idle keep no shard awake, take little memory, and all receive the next status", {
    timeout: 180_000,
  }, async () => {
    const ids = await forEach(Array.from({ length: backendCount }), spawn);
    const before = await workerd.residentBytes();
    const streams = await forEach(
      Array.from({ length: streamCount }, (_, i) => ids[i % ids.length] ?? ""),
      streamOf,
    );
    try {
      const opened = await awakenings();
      await allIdle(streams);
      const bytesOfStream = ((await workerd.residentBytes()) - before) / streamCount;
      console.info(`memory of a status stream: ${Math.round(bytesOfStream / 1000)} KB`);
      expect(bytesOfStream).toBeLessThan(bytesOfStreamMax);
      // The Worker's checks that a shard is there have woken none of them.
      expect(await awakenings()).toEqual(opened);

      await forEach(ids, (id) => report(id, "ready"));
      await until(() => expect(streams.filter((stream) => !hasReceived(stream, "ready")).length).toBe(0));
      expect(streams.filter(({ events }) => events.length !== 2).length).toBe(0);
      expect(streams.filter(({ isOver }) => isOver).length).toBe(0);
      const after = await awakenings();
      const neverAsleep = Object.keys(opened).filter((shard) => after[shard] === opened[shard]);
      expect(neverAsleep).toEqual([]);
    } finally {
      for (const stream of streams) stream.leave();
    }
  });
});

describe("a client that leaves an idle stream", () => {
  test("is no follower of the shard before long, and those who stay are", { timeout: 120_000 }, async () => {
    const id = await spawn();
    const [leaving, staying] = [await streamOf(id), await streamOf(id)];
    const readByCli: string[] = [];
    const url = `${subject.origin}/v2/backend/${id}/status/stream`;
    const cli = eventStream(url, {}, (event) => readByCli.push(event));
    await until(() => expect(readByCli).toHaveLength(1));
    expect(await followersOf(id)).toBe(3);
    leaving.leave();
    await until(async () => expect(await followersOf(id)).toBe(2));
    await allIdle([staying]);
    await report(id, "terminated");
    await until(() => expect(staying.isOver).toBe(true));
    await cli.closed;
    expect(hasReceived(staying, "terminated")).toBe(true);
    // The CLI's own reader passes over the empty lines between.
    expect(readByCli).toEqual(staying.events);
    await until(async () => expect(await followersOf(id)).toBe(0));
  });
});

describe("a stream that is killed with the server", () => {
  test("breaks off, and who reconnects sees the replay and what follows", async () => {
    await using deployment = await startRegistryDeployment();
    const { api, worker } = deployment;
    await deployment.createService("hello");
    const json = { digest: `sha256:${"a".repeat(64)}`, tag: "latest" };
    await request(api, image, "/v3/accounts/acme/services/hello/images", { json });
    const path = "/v2/service/acme/hello/connect";
    const { backend_id, status_url } = await request(api, connectAnswer, path, { json: {} });
    const terminate = (hard: boolean) =>
      request(api, statusOk, `/v2/backend/${backend_id}/terminate`, { json: { hard } });

    const stream = await openEventStream(`${status_url}/stream`);
    await terminate(false);
    await until(() => expect(hasReceived(stream, "terminating")).toBe(true));
    await worker.kill();
    await until(() => expect(stream.isOver).toBe(true));
    await worker.start();

    const again = await openEventStream(`${status_url}/stream`);
    await until(() => expect(again.events).toEqual(stream.events));
    await terminate(true);
    await until(() => expect(hasReceived(again, "hard-terminating")).toBe(true));
    expect(again.events).toHaveLength(3);
    again.leave();
  });
});
