import { setTimeout as pause } from "node:timers/promises";
import { z } from "zod";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import type { KillableProcess } from "./process.ts";
import type { SeededRandom } from "./seeded-random.ts";

/** A connect that was answered with a backend: every replay must get the same answer. */
export interface Promised {
  request: ConnectRequest;
  backendId: string;
}

interface ConnectRequest {
  environment: string;
  body: string;
  idempotencyKey: string | null;
}

type Answer = { got: "nothing" } | { got: "answer"; status: number; body: unknown };

/** Clients that connect with few keys and end backends, for as long as they are not stopped. */
export interface ContendedLoad {
  /** Every backend that an answer has named. */
  named: ReadonlySet<string>;
  /** What was answered under an Idempotency-Key. */
  promised: readonly Promised[];
  /** Answers that must not occur, whatever is killed. */
  odd: readonly string[];
  /** Replays a connect. @returns how the answer differs, null where it does not or there is none */
  repeat(promised: Promised): Promise<string | null>;
  /** Resolves when no request is in flight. */
  stop(): Promise<void>;
}

export interface LoadOptions {
  api: { api_url: string; token: string };
  /** Requests wait until it serves. */
  controlPlane: KillableProcess;
  service: string;
  environments: readonly [string, ...string[]];
  clusters: readonly [string, ...string[]];
  clients: number;
  random: SeededRandom;
}

const keys = ["a", "b", "c"] as const;
const recent = 8;
const betweenRequestsMs = 200;
/** The error codes that are expected while processes are killed: no cluster, a key in transition, an ended backend. */
const expectedCodes = [
  "cluster_unavailable",
  "cluster_refused",
  "key_terminating",
  "idempotency_in_progress",
  "BackendNotRunning",
];

const errorAnswer = z.object({ error: z.object({ code: z.string(), backend_id: z.string().optional() }) });

export function startContendedLoad(options: LoadOptions): ContendedLoad {
  const { api, controlPlane, random } = options;
  const named = new Set<string>();
  const promised: Promised[] = [];
  const odd: string[] = [];
  let isStopped = false;

  async function post(path: string, body: string, idempotencyKey: string | null = null): Promise<Answer> {
    try {
      const response = await fetch(api.api_url + path, {
        method: "POST",
        headers: {
          authorization: `Bearer ${api.token}`,
          ...(idempotencyKey === null ? {} : { "idempotency-key": idempotencyKey }),
        },
        body,
      });
      return { got: "answer", status: response.status, body: await response.json() };
    } catch {
      return { got: "nothing" };
    }
  }

  /** Records an answer. @returns its backend, if it has one */
  function read(what: string, answer: Answer): string | null {
    if (answer.got === "nothing") return null;
    const connected = connectAnswer.safeParse(answer.body);
    if (answer.status === 200 && connected.success) {
      named.add(connected.data.backend_id);
      return connected.data.backend_id;
    }
    const { data } = errorAnswer.safeParse(answer.body);
    if (data?.error.backend_id !== undefined) named.add(data.error.backend_id);
    if (answer.status !== 200 && !expectedCodes.includes(data?.error.code ?? "")) {
      odd.push(`${what} was answered ${answer.status} ${JSON.stringify(answer.body)}`);
    }
    return null;
  }

  function draw(draws: SeededRandom): ConnectRequest {
    const { environments, clusters } = options;
    const spawn = {
      max_idle_seconds: draws.pick([0, 1, 1, 2]),
      executable: { env: { LINGER: draws.pick(["0", "0.2", "1"]) } },
      ...(draws.chance(0.5) ? { cluster: draws.pick(clusters) } : {}),
    };
    return {
      environment: draws.pick(environments),
      body: JSON.stringify({ spawn, ...(draws.chance(0.9) ? { key: draws.pick(keys) } : {}) }),
      idempotencyKey: draws.chance(0.5) ? `request-${draws.int(0, 2 ** 32 - 1)}` : null,
    };
  }
  const connect = ({ environment, body, idempotencyKey }: ConnectRequest) =>
    post(`/v2/service/acme/${options.service}/${environment}/connect`, body, idempotencyKey);

  /** Connects; with an Idempotency-Key, retries until there is an answer. */
  async function connectOnce(draws: SeededRandom): Promise<void> {
    const request = draw(draws);
    for (;;) {
      const answer = await connect(request);
      const backendId = read(`a connect ${request.body}`, answer);
      if (request.idempotencyKey !== null && backendId !== null) promised.push({ request, backendId });
      if (answer.got === "answer" || request.idempotencyKey === null) return;
      await controlPlane.serving();
    }
  }

  async function repeat(earlier: Promised): Promise<string | null> {
    const answer = await connect(earlier.request);
    const backendId = read("a repeated connect", answer);
    return answer.got === "nothing" || backendId === earlier.backendId
      ? null
      : `what was answered with ${earlier.backendId} is answered ${JSON.stringify(answer)} when it is repeated`;
  }

  async function repeatOne(draws: SeededRandom): Promise<void> {
    const earlier = promised.at(-draws.int(1, recent));
    const problem = earlier ? await repeat(earlier) : null;
    if (problem !== null) odd.push(problem);
  }

  async function terminateOne(draws: SeededRandom): Promise<void> {
    const backendId = [...named].at(-draws.int(1, recent));
    if (backendId === undefined) return;
    const path = `/v2/backend/${backendId}/terminate`;
    read("a termination", await post(path, JSON.stringify({ hard: draws.chance(0.5) })));
  }

  async function client(draws: SeededRandom): Promise<void> {
    while (!isStopped) {
      await controlPlane.serving();
      const choice = draws.next();
      if (choice < 0.75) await connectOnce(draws);
      else if (choice < 0.9) await repeatOne(draws);
      else await terminateOne(draws);
      await pause(draws.int(0, betweenRequestsMs));
    }
  }
  const running = Promise.all(Array.from({ length: options.clients }, () => client(random.fork())));
  // `stop` rejects with it.
  running.catch(() => undefined);

  return {
    named,
    promised,
    odd,
    repeat,
    async stop() {
      isStopped = true;
      await running;
    },
  };
}
