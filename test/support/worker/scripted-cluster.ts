import { expect, vi } from "vitest";
import { parseBackendId } from "../../../src/domain/ids.ts";
import { type WebhookMessage, webhookMessage } from "../../../src/protocol/webhooks/webhook.ts";

type Answer = number | (() => Response | Promise<Response>);

export interface ReceivedWebhook {
  headers: Record<string, string>;
  body: string;
  message: WebhookMessage;
}

export interface ScriptedCluster {
  /** Every webhook that it received, oldest first. */
  received: readonly ReceivedWebhook[];
  /** The webhooks of a type, oldest first. */
  of(type: WebhookMessage["type"]): ReceivedWebhook[];
  /** What the next webhooks but `image.pinned` are answered, in turn; 200 `{}` after that. */
  script(...answers: Answer[]): void;
  /** Takes back what was scripted and not used. */
  forgetScript(): void;
  /** Waits until every webhook that was sent is answered. */
  quiet(): Promise<void>;
  /** What every webhook is answered from now on. */
  always(answer: (message: WebhookMessage) => Response | Promise<Response>): void;
  /** How many webhooks of one object have waited for their answers at a time. */
  mostWaiting(): number;
  /** What it answers to GETs of what is below its webhook's URL, from now on; 404 until then. */
  alwaysStreams(answer: (request: Request) => Response | Promise<Response>): void;
  /** Waits until so many spawn webhooks were answered. */
  settled(count: number): Promise<void>;
  settledOf(type: WebhookMessage["type"], count: number): Promise<void>;
}

/** So many connections of an object may wait for an answer to begin, on Cloudflare. */
const connectionsAtMost = 6;

/** Lets each object have as many connections that wait for an answer as the platform does; the others wait unsent. */
class Connections {
  most = 0;
  readonly #open = new Map<string, number>();
  readonly #waiting: { object: string; go: () => void }[] = [];
  /** The codes of services by their names: a termination has no name in it. */
  readonly #codes = new Map<string, string>();

  /** Which object has sent a webhook. */
  objectOf({ type, data }: WebhookMessage): string {
    if (type === "cluster.ping") return "account";
    const code = type === "image.pinned" ? undefined : parseBackendId(data.backend_id)?.serviceCode;
    if (type === "backend.terminate" || type === "backend.touch") return code ?? "";
    const name = `${data.account}/${data.service}`;
    if (code !== undefined) this.#codes.set(name, code);
    return this.#codes.get(name) ?? name;
  }

  /** @returns what closes the connection again; rejects where the sender has given up before it was open */
  async open(object: string, signal: AbortSignal): Promise<() => void> {
    if (this.#openOf(object) >= connectionsAtMost) {
      await new Promise<void>((go, giveUp) => {
        this.#waiting.push({ object, go });
        signal.addEventListener("abort", () => giveUp(signal.reason));
      });
    }
    this.#open.set(object, this.#openOf(object) + 1);
    this.most = Math.max(this.most, this.#openOf(object));
    return () => {
      this.#open.set(object, this.#openOf(object) - 1);
      const next = this.#waiting.findIndex((one) => one.object === object);
      if (next !== -1) this.#waiting.splice(next, 1)[0]?.go();
    };
  }

  #openOf(object: string): number {
    return this.#open.get(object) ?? 0;
  }
}

const redirectsAtMost = 20;

/**
 * `fetch` as it is specified, over a network that answers single requests: it follows redirects, with a request's method
 * and body where the status keeps them, unless the request says otherwise.
 */
function fetchOver(network: (request: Request) => Promise<Response>): typeof fetch {
  return async (input, init) => {
    let request = new Request(input, init);
    for (let followed = 0; ; followed++) {
      // What is followed with the same body needs a copy of it.
      const again = request.redirect === "manual" ? null : request.clone();
      const response = await network(request);
      const location = response.headers.get("location");
      const isRedirect = [301, 302, 303, 307, 308].includes(response.status) && location !== null;
      if (!isRedirect || again === null) return response;
      if (followed === redirectsAtMost) throw new TypeError("too many redirects");
      const to = new URL(location, again.url);
      const isRepeated = again.method === "GET" || response.status === 307 || response.status === 308;
      request = isRepeated ? new Request(to, again) : new Request(to, { headers: again.headers });
    }
  };
}

/** What an agent answers that is to end what it does not have. */
export function notRunningHere(): Response {
  return Response.json({ error: { message: "the backend does not run here" } }, { status: 404 });
}

/** A cluster at `https://cluster.test` that answers by its script: outbound fetches run in the test's isolate. */
export function startScriptedCluster(): ScriptedCluster {
  const received: ReceivedWebhook[] = [];
  const answered: WebhookMessage["type"][] = [];
  const script: Answer[] = [];
  let streams: (request: Request) => Response | Promise<Response> = () => new Response(null, { status: 404 });
  let standing: (message: WebhookMessage) => Response | Promise<Response> = () => Response.json({});
  const connections = new Connections();

  const network = async (request: Request): Promise<Response> => {
    if (request.method === "GET" && request.url.startsWith("https://cluster.test/hook/"))
      return streams(request);
    if (new URL(request.url).host !== "cluster.test")
      throw new TypeError(`unexpected fetch of ${request.url}`);
    const body = await request.text();
    const message = webhookMessage.parse(JSON.parse(body));
    const close = await connections.open(connections.objectOf(message), request.signal);
    received.push({ headers: Object.fromEntries(request.headers), body, message });
    const next = message.type === "image.pinned" ? undefined : script.shift();
    try {
      if (next === undefined) return await standing(message);
      return typeof next === "number" ? new Response(null, { status: next }) : await next();
    } finally {
      answered.push(message.type);
      close();
    }
  };
  vi.spyOn(globalThis, "fetch").mockImplementation(fetchOver(network));

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
    received,
    of: (type) => received.filter(({ message }) => message.type === type),
    script: (...answers) => script.push(...answers),
    forgetScript: () => script.splice(0),
    quiet: () =>
      vi.waitFor(() => expect(answered.length).toBe(received.length), { timeout: 5_000, interval: 1 }),
    mostWaiting: () => connections.most,
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
