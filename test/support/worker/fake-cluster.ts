import { vi } from "vitest";
import { type WebhookMessage, webhookMessage } from "../../../src/protocol/webhooks/webhook.ts";

export interface FakeCluster {
  /** Every webhook it got, oldest first. */
  received: WebhookMessage[];
  /** What it answers from now on. */
  answer: () => Response;
}

/** A cluster at `https://cluster.test`: outbound fetches of the Worker run in the isolate of the test. */
export function startFakeCluster(): FakeCluster {
  const cluster: FakeCluster = { received: [], answer: () => Response.json({}) };
  const realFetch = globalThis.fetch;
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const request = new Request(input, init);
    if (new URL(request.url).host !== "cluster.test") return realFetch(request);
    cluster.received.push(webhookMessage.parse(await request.json()));
    return cluster.answer();
  });
  return cluster;
}
