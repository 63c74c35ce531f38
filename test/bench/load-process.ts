import { once } from "node:events";
import { Agent, request as httpRequest } from "node:http";
import { text } from "node:stream/consumers";
import {
  type LoadAnswer,
  type LoadPlan,
  type LoadRequest,
  type LoadResult,
  loadPlan,
} from "./load-protocol.ts";
import { quantile } from "./statistics.ts";

/*
 * The load generator, in a separate process: a fixed number of connections, each with one request in flight. It receives
 * one plan and sends one result.
 */

/** @throws on any answer that is not 2xx: failures are quick, and would pass for speed */
async function runLoad(plan: LoadPlan): Promise<LoadResult> {
  const url = new URL(plan.origin);
  const agent = new Agent({ keepAlive: true, maxSockets: plan.connections });
  const begin = performance.now() + plan.warmUpMs;
  const end = begin + plan.measureMs;
  const latenciesMs: number[] = [];
  let turn = 0;
  let sent = 0;

  async function connection(): Promise<void> {
    for (;;) {
      const request = plan.requests[turn++ % plan.requests.length];
      const started = performance.now();
      if (request === undefined || started >= end) return;
      sent += 1;
      await exchange(agent, url, request);
      const ended = performance.now();
      if (started >= begin && ended <= end) latenciesMs.push(ended - started);
    }
  }

  try {
    await Promise.all(Array.from({ length: plan.connections }, connection));
  } finally {
    agent.destroy();
  }
  if (latenciesMs.length === 0) throw new Error("no request was answered within the time measured");
  return {
    sent,
    perSecond: latenciesMs.length / (plan.measureMs / 1000),
    p50Ms: quantile(latenciesMs, 0.5),
    p99Ms: quantile(latenciesMs, 0.99),
  };
}

function exchange(agent: Agent, url: URL, { method, path, headers, body }: LoadRequest): Promise<void> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
    const request = httpRequest(
      { agent, host: url.hostname, port: url.port, method, path, headers: { ...headers, ...length } },
      (response) => {
        const status = response.statusCode ?? 0;
        if (status >= 200 && status < 300) {
          response.resume();
          response.once("end", resolve);
          response.once("error", reject);
        } else {
          text(response).then(
            (answer) => reject(new Error(`${method} ${path}: ${status} ${answer.slice(0, 500)}`)),
            reject,
          );
        }
      },
    );
    request.once("error", reject);
    request.end(body);
  });
}

const [message] = await once(process, "message");
const answer: LoadAnswer = await runLoad(loadPlan.parse(message)).then(
  (result) => ({ result }),
  (error: unknown) => ({ problem: error instanceof Error ? error.message : String(error) }),
);
process.send?.(answer);
process.disconnect();
