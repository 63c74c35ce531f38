import { expect, vi } from "vitest";
import { type WebhookMessage, webhookMessage } from "../../../src/protocol/webhooks/webhook.ts";

type Answer = number | (() => Response | Promise<Response>);

export interface ReceivedWebhook {
  headers: Record<string, string>;
  body: string;
  message: WebhookMessage;
}

export interface ScriptedCluster {
  /** Webhooks of a type, oldest first. */
  of(type: WebhookMessage["type"]): ReceivedWebhook[];
  /** What the next webhooks but `image.pinned` are answered, in turn; 200 `{}` after that. */
  script(...answers: Answer[]): void;
  /** Takes back what was scripted and not used. */
  forgetScript(): void;
  /** Waits until every webhook that was sent is answered. */
  quiet(): Promise<void>;
  /** What every webhook is answered from now on. */
  always(answer: () => Response | Promise<Response>): void;
  /** What it answers to GETs of what is below its webhook's URL, from now on; 404 until then. */
  alwaysStreams(answer: (request: Request) => Response | Promise<Response>): void;
  /** Waits until so many spawn webhooks were answered. */
  settled(count: number): Promise<void>;
  settledOf(type: WebhookMessage["type"], count: number): Promise<void>;
}

/** A cluster at `https://cluster.test` that answers by its script: outbound fetches run in the test's isolate. */
export function startScriptedCluster(): ScriptedCluster {
  const received: ReceivedWebhook[] = [];
  const answered: WebhookMessage["type"][] = [];
  const script: Answer[] = [];
  let streams: (request: Request) => Response | Promise<Response> = () => new Response(null, { status: 404 });
  let standing: () => Response | Promise<Response> = () => Response.json({});

  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const request = new Request(input, init);
    if (request.method === "GET" && request.url.startsWith("https://cluster.test/hook/"))
      return streams(request);
    if (request.url !== "https://cluster.test/hook")
      throw new TypeError(`unexpected fetch of ${request.url}`);
    const body = await request.text();
    const message = webhookMessage.parse(JSON.parse(body));
    received.push({ headers: Object.fromEntries(request.headers), body, message });
    const next = message.type === "image.pinned" ? undefined : script.shift();
    try {
      if (next === undefined) return await standing();
      return typeof next === "number" ? new Response(null, { status: next }) : await next();
    } finally {
      answered.push(message.type);
    }
  });

  const settledOf = (type: WebhookMessage["type"], count: number) =>
    vi.waitFor(
      () =>
        expect(answered.filter((answeredType) => answeredType === type).length).toBeGreaterThanOrEqual(count),
      {
        timeout: 5_000,
        interval: 5,
      },
    );
  return {
    of: (type) => received.filter(({ message }) => message.type === type),
    script: (...answers) => script.push(...answers),
    forgetScript: () => script.splice(0),
    quiet: () =>
      vi.waitFor(() => expect(answered.length).toBe(received.length), { timeout: 5_000, interval: 1 }),
    always: (answer) => {
      standing = answer;
    },
    alwaysStreams: (answer) => {
      streams = answer;
    },
    settled: (count) => settledOf("backend.spawn", count),
    settledOf,
  };
}
