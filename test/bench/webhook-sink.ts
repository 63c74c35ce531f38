import { once } from "node:events";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";

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
