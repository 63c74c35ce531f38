import { once } from "node:events";
import { WebSocket } from "ws";
import { type LoadAnswer, type LoadPlan, type LoadResult, loadPlan } from "../load-protocol.ts";
import { quantile } from "../statistics.ts";

/*
 * The load generator for WebSockets, in a separate process: a fixed number of connections to the plan's first
 * request's path, each with one message in flight, which must be echoed.
 */

/** @throws if a connection fails or another message is received than was sent */
async function runEchoes(plan: LoadPlan): Promise<LoadResult> {
  const [request] = plan.requests;
  const message = request?.body ?? "";
  const sockets = await Promise.all(
    Array.from({ length: plan.connections }, async () => {
      const socket = new WebSocket(plan.origin + (request?.path ?? "/"));
      await once(socket, "open");
      return socket;
    }),
  );
  const begin = performance.now() + plan.warmUpMs;
  const end = begin + plan.measureMs;
  const latenciesMs: number[] = [];
  let sent = 0;

  function echoes(socket: WebSocket): Promise<void> {
    return new Promise((resolve, reject) => {
      let started = 0;
      const send = () => {
        started = performance.now();
        if (started >= end) return resolve();
        sent += 1;
        socket.send(message);
      };
      socket.on("message", (data) => {
        const ended = performance.now();
        if (String(data) !== message) return reject(new Error("another message came back than was sent"));
        if (started >= begin && ended <= end) latenciesMs.push(ended - started);
        send();
      });
      socket.on("error", reject);
      socket.on("close", () => reject(new Error("a WebSocket was closed")));
      send();
    });
  }

  await Promise.all(sockets.map(echoes));
  for (const socket of sockets) socket.terminate();
  if (latenciesMs.length === 0) throw new Error("no message came back within the time measured");
  return {
    sent,
    perSecond: latenciesMs.length / (plan.measureMs / 1000),
    p50Ms: quantile(latenciesMs, 0.5),
    p99Ms: quantile(latenciesMs, 0.99),
  };
}

const [plan] = await once(process, "message");
const answer: LoadAnswer = await runEchoes(loadPlan.parse(plan)).then(
  (result) => ({ result }),
  (error: unknown) => ({ problem: error instanceof Error ? error.message : String(error) }),
);
process.send?.(answer);
process.disconnect();
