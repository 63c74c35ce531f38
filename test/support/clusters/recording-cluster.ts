import { once } from "node:events";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { type WebhookMessage, webhookMessage } from "../../../src/protocol/webhooks/webhook.ts";

/** A third-party cluster that accepts every webhook, and runs nothing. */
export interface RecordingCluster extends AsyncDisposable {
  url: string;
  /** The webhooks received, in order. */
  messages: WebhookMessage[];
}

export async function startRecordingCluster(): Promise<RecordingCluster> {
  const messages: WebhookMessage[] = [];
  let url = "";
  const server = createServer(async (request, response) => {
    // It has no output of what it does not run.
    if (request.method !== "POST") return void response.writeHead(404).end();
    messages.push(webhookMessage.parse(JSON.parse(await text(request))));
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ url: `${url}/b` }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
  return {
    url,
    messages,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}
