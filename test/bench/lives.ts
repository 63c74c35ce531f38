import { setTimeout as pause } from "node:timers/promises";
import type { BackendStatus } from "../../src/domain/backends/status.ts";
import { idAlphabet, parseBackendId } from "../../src/domain/ids.ts";
import { connectAnswer } from "../../src/protocol/jamsocket/v2.ts";
import { type StatusReportBody, statusReportAnswer } from "../../src/protocol/v3/agent.ts";
import type { Bundle } from "./bundle.ts";
import { type Counts, counts, type Stretch, type Usage, usageIn } from "./counts.ts";
import type { Sandbox } from "./sandbox.ts";
import { backendUrlTemplate, call, type Subject, setUpSubject, subjectTexts } from "./subject.ts";
import { type SpawnSink, startSpawnSink } from "./webhook-sink.ts";
import { startWorkerd } from "./workerd.ts";

export interface LivesUsage {
  /** Of one life among `lives` at once. */
  together: Usage;
  /** The same, each with a key. */
  keyed: Usage;
  lives: number;
  /** Of a life that finds every object evicted, when it begins and again when it ends. */
  alone: Usage;
}

const lives = 200;
/** Alarms that are further away clean up what ended long ago; they are not waited for. */
const soonMs = 10 * 60_000;
/** The longest wait for the alarms that a life leaves: a soft end is given up after 60 s. */
const quietWithinMs = 120_000;
const pollMs = 250;

interface Backend {
  id: string;
  fencingToken: number;
  hasKey: boolean;
}

/**
 * Counts what the life of a backend uses: a spawn, a start that takes less than a second, its end, since its agent sweeps it
 * when it is idle, and all alarms that follow from it.
 */
export async function measureLives(
  sandbox: Sandbox,
  metered: Bundle,
  onProgress: (text: string) => void,
): Promise<LivesUsage> {
  const sink = await startSpawnSink();
  const workerd = await startWorkerd(sandbox, metered, await subjectTexts());
  try {
    const subject = await setUpSubject(workerd.origin, sink.url);
    const spawn = (key?: string) => spawnBackend(subject, sink, key);
    const liveTogether = (keyOf: (i: number) => string | undefined) =>
      stretch(subject, async () => {
        const backends = await atOnce(lives, async (i) => becomeReady(subject, await spawn(keyOf(i))));
        await quiet(subject);
        await Promise.all(backends.map((backend) => beSwept(subject, backend)));
        await quiet(subject);
      });

    onProgress("cost: creating every shard");
    await touchEveryShard(subject, spawn);
    await quiet(subject);

    onProgress(`cost: ${lives} lives at once, and the alarms that they leave`);
    const together = await liveTogether(() => undefined);
    onProgress(`cost: ${lives} lives at once with keys, and the alarms that they leave`);
    const keyed = await liveTogether((i) => `document-${i}`);

    onProgress("cost: one life alone, and the alarms that it leaves");
    await evict(subject);
    const { value: lonely, ...beginning } = await stretch(subject, async () => {
      const backend = await becomeReady(subject, await spawn());
      await quiet(subject);
      return backend;
    });
    // Not counted: an eviction wakes the object first.
    await evict(subject);
    const ending = await stretch(subject, async () => {
      await beSwept(subject, lonely);
      await quiet(subject);
    });
    return {
      together: usageIn([together], lives),
      keyed: usageIn([keyed], lives),
      lives,
      alone: usageIn([beginning, ending], 1),
    };
  } finally {
    await workerd.stop();
    sink.close();
  }
}

async function spawnBackend(
  { origin, token, connectPath }: Subject,
  sink: Pick<SpawnSink, "fencingTokenOf">,
  key: string | undefined,
): Promise<Backend> {
  const body = key === undefined ? {} : { key };
  const { backend_id: id } = await call(connectAnswer, origin, token, "POST", connectPath, body);
  return { id, fencingToken: await sink.fencingTokenOf(id), hasKey: key !== undefined };
}

/** As the agent of this repository reports it: what holds a key waits for the answer to its first report, all else is one. */
async function becomeReady(subject: Subject, backend: Backend): Promise<Backend> {
  const held: BackendStatus[] = ["starting", "waiting"];
  if (backend.hasKey) await report(subject, backend, { status: "loading" });
  else held.unshift("loading");
  const earlier = held.map((status, i) => ({ status, ms_ago: 10 * (held.length - i) }));
  await report(subject, backend, { status: "ready", earlier });
  return backend;
}

async function beSwept(subject: Subject, backend: Backend): Promise<void> {
  await report(subject, backend, { status: "terminating", termination_reason: "swept" });
  await report(subject, backend, {
    status: "terminated",
    termination_reason: "swept",
    termination_kind: "soft",
    exit_code: 0,
  });
}

/** As that agent does it: with the backend's URL in every report but the last. */
async function report(
  { origin, agentToken }: Subject,
  { id, fencingToken }: Backend,
  change: Omit<StatusReportBody, "fencing_token">,
): Promise<void> {
  const url = backendUrlTemplate.replace("{backend_id}", id);
  const body = { ...change, fencing_token: fencingToken, ...(change.status === "terminated" ? {} : { url }) };
  const path = `/v3/agent/backends/${id}/status`;
  const answer = await call(statusReportAnswer, origin, agentToken, "POST", path, body);
  if (!answer.accepted) throw new Error(`status ${change.status} of backend ${id} was not accepted`);
}

/** A shard's tables are created once for a service, which is no cost of a backend. */
async function touchEveryShard(subject: Subject, spawn: () => Promise<Backend>): Promise<void> {
  const touched = new Set<string>();
  while (touched.size < idAlphabet.length) {
    const backends = await atOnce(50, () => spawn());
    for (const backend of backends) {
      touched.add(parseBackendId(backend.id)?.shard ?? "");
      await report(subject, backend, { status: "terminated", exit_code: 0 });
    }
  }
}

function atOnce<T>(count: number, action: (i: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, (_, i) => action(i)));
}

/** Waits until no alarm will fire soon. */
async function quiet(subject: Subject): Promise<void> {
  const giveUpAt = performance.now() + quietWithinMs;
  while ((await countsOf(subject)).pendingAlarmsMs.some((ms) => ms < soonMs)) {
    if (performance.now() > giveUpAt) throw new Error("alarms keep being set");
    await pause(pollMs);
  }
}

async function stretch<T>(subject: Subject, action: () => Promise<T>): Promise<Stretch & { value: T }> {
  const from = await countsOf(subject);
  const value = await action();
  return { value, from, to: await countsOf(subject) };
}

async function countsOf({ origin }: Subject): Promise<Counts> {
  return counts.parse(await (await fetch(`${origin}/bench/counts`)).json());
}

/** Evicts every object from memory. */
async function evict({ origin }: Subject): Promise<void> {
  const response = await fetch(`${origin}/bench/evict`, { method: "POST" });
  if (!response.ok) throw new Error(`evict: ${response.status} ${await response.text()}`);
}
