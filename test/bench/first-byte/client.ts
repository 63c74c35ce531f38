import { randomUUID } from "node:crypto";
import { get, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { z } from "zod";
import { backendAnswer, type ConnectBody, connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { account, type Deployment, service } from "../deployment.ts";
import { call } from "../subject.ts";
import type { BenchAgent } from "./agent.ts";
import type { Passage } from "./passage.ts";

/**
 * Connects to a new key, requests the first byte from the URL in the answer, and gives the time of each step.
 * The backend is left running. Throws where the backend does not answer.
 */
export async function passTo(
  { apiUrl, token }: Deployment,
  agent: BenchAgent,
  spawn: Exclude<ConnectBody["spawn"], boolean>,
): Promise<{ backendId: string; passage: Passage }> {
  const path = `/v2/service/${account}/${service}/connect`;
  const begin = Date.now();
  const connection = await call(connectAnswer, apiUrl, token, "POST", path, { key: randomUUID(), spawn });
  const answered = Date.now();
  const proxy = await firstByteAt(connection.url);
  const backendId = connection.backend_id;
  const [deliver, pull, start, ready] = await Promise.all(
    (["spawned", "starting", "waiting", "ready"] as const).map((what) => agent.loggedAt(backendId, what)),
  );
  if (deliver === undefined || pull === undefined || start === undefined || ready === undefined) {
    throw new Error(`the agent left something out of ${backendId}`);
  }
  const { created_at } = await call(
    backendAnswer,
    apiUrl,
    token,
    "GET",
    `/v2/backend/${backendId}`,
    undefined,
  );
  const decide = Date.parse(created_at);
  return { backendId, passage: { begin, answered, decide, deliver, pull, start, ready, proxy } };
}

/** Ends a backend. Resolves when nothing of it runs any more. */
export async function end(
  { apiUrl, token }: Deployment,
  agent: BenchAgent,
  backendId: string,
): Promise<void> {
  const path = `/v2/backend/${backendId}/terminate`;
  await call(z.unknown(), apiUrl, token, "POST", path, { hard: true });
  await agent.loggedAt(backendId, "terminated");
}

/** Over a connection of its own, as a client's first is. @returns milliseconds since the epoch */
async function firstByteAt(url: string): Promise<number> {
  const received = Promise.withResolvers<{ answer: IncomingMessage; at: number }>();
  get(url, { agent: false }, (answer) => received.resolve({ answer, at: Date.now() })).once(
    "error",
    received.reject,
  );
  const { answer, at } = await received.promise;
  const body = await text(answer);
  if (answer.statusCode !== 200)
    throw new Error(`the backend's URL was answered ${answer.statusCode}: ${body}`);
  return at;
}
