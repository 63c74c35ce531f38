import { z } from "zod";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { statusReportAnswer } from "../../../src/protocol/v3/agent.ts";
import { buildBundle } from "../../bench/bundle.ts";
import { openSandbox } from "../../bench/sandbox.ts";
import { call, type Subject, setUpSubject, subjectTexts } from "../../bench/subject.ts";
import { startWorkerd, type Workerd } from "../../bench/workerd.ts";
import { startRecordingCluster } from "../clusters/recording-cluster.ts";
import { type EventStream, openEventStream } from "../event-streams.ts";

/**
 * The production Worker in raw workerd, which takes objects out of memory that nothing happened to for ten seconds;
 * its shards are watched (test/support/worker/awakenings.ts).
 */
export interface WatchedWorker extends AsyncDisposable {
  workerd: Workerd;
  subject: Subject;
  /** Starts a backend. @returns its id */
  spawn(): Promise<string>;
  /** Reports a status as the agent that runs the backend does. */
  report(id: string, status: string): Promise<unknown>;
  streamOf(id: string): Promise<EventStream>;
  /** How often the runtime has put each shard into memory. */
  awakenings(): Promise<Record<string, number>>;
  /** How many sockets of a backend's followers its shard has. */
  followersOf(id: string): Promise<number>;
}

/** @param texts bindings beside those that a deployment has to have */
export async function startWatchedWorker(texts: Record<string, string> = {}): Promise<WatchedWorker> {
  await using started = new AsyncDisposableStack();
  const cluster = started.use(await startRecordingCluster());
  const sandbox = openSandbox();
  const entry = "test/support/worker/awakenings.ts";
  const bundle = await buildBundle(sandbox, "watched", "wrangler.toml", entry);
  const workerd = await startWorkerd(sandbox, bundle, { ...(await subjectTexts()), ...texts });
  started.defer(() => workerd.stop());
  const subject = await setUpSubject(workerd.origin, `${cluster.url}/webhook`);
  const { origin } = workerd;
  const running = started.move();

  async function watched<T>(schema: z.ZodType<T>, path: string): Promise<T> {
    return schema.parse(await (await fetch(`${origin}/test/${path}`)).json());
  }

  return {
    workerd,
    subject,
    async spawn() {
      const { token, connectPath } = subject;
      return (await call(connectAnswer, origin, token, "POST", connectPath, {})).backend_id;
    },
    report(id, status) {
      const spawned = cluster.messages.find(
        (message) => message.type === "backend.spawn" && message.data.backend_id === id,
      );
      const fencing_token = spawned?.type === "backend.spawn" ? spawned.data.fencing_token : 0;
      const path = `/v3/agent/backends/${id}/status`;
      return call(statusReportAnswer, origin, subject.agentToken, "POST", path, { status, fencing_token });
    },
    streamOf: (id) => openEventStream(`${origin}/v2/backend/${id}/status/stream`),
    awakenings: () => watched(z.record(z.string(), z.int()), "awakenings"),
    followersOf: async (id) =>
      (await watched(z.object({ followers: z.int() }), `followers/bench/hello/${id}`)).followers,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** Whether a stream of v2 has carried a status. */
export function hasReceived(stream: EventStream, status: string): boolean {
  return stream.events.some((event) => event.includes(`"status":"${status}"`));
}
