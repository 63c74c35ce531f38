import { once } from "node:events";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { webhookMessage } from "../../src/protocol/webhooks/webhook.ts";

export interface WebhookSink {
  url: string;
  close(): void;
}

/**
 * A cluster that accepts everything at once: it answers each webhook with 200 and `{}`.
 * @param onBody is called with each body before it is answered; without it bodies are not parsed, which costs least
 */
export async function startWebhookSink(onBody?: (body: string) => void): Promise<WebhookSink> {
  const server = createServer(async (request, response) => {
    if (onBody) onBody(await text(request));
    else await once(request.resume(), "end");
    response.writeHead(200, { "content-type": "application/json", "content-length": "2" });
    response.end("{}");
  });
  // Longer than any run: a connection that is closed under a fetch would count as a failed delivery.
  server.keepAliveTimeout = 300_000;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the sink has no port");
  return {
    url: `http://127.0.0.1:${address.port}/webhook`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

export interface SpawnSink extends WebhookSink {
  /**
   * The fencing token that a backend's spawn came with. Somebody may know of the backend before its spawn is here.
   * @throws when it does not come
   */
  fencingTokenOf(backendId: string): Promise<number>;
}

const spawnWithinMs = 30_000;

/** The same, which reads what it is sent. */
export async function startSpawnSink(): Promise<SpawnSink> {
  const spawns = new Map<string, PromiseWithResolvers<number>>();
  const spawnOf = (backendId: string) => {
    const spawn = spawns.get(backendId) ?? Promise.withResolvers<number>();
    spawns.set(backendId, spawn);
    return spawn;
  };
  const sink = await startWebhookSink((body) => {
    const message = webhookMessage.parse(JSON.parse(body));
    if (message.type === "backend.spawn")
      spawnOf(message.data.backend_id).resolve(message.data.fencing_token);
  });
  return {
    ...sink,
    async fencingTokenOf(backendId) {
      const spawn = spawnOf(backendId);
      const why = `the cluster received no spawn of backend ${backendId}`;
      const timer = setTimeout(() => spawn.reject(new Error(why)), spawnWithinMs);
      try {
        return await spawn.promise;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
