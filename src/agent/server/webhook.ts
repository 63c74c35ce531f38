import { z } from "zod";
import {
  type ImagePinnedWebhookData,
  type WebhookMessage,
  webhookMessage,
} from "../../protocol/webhooks/webhook.ts";
import type { Backends, BackendUrls } from "../backends/backends.ts";
import type { KeyLease } from "../control-plane/lease.ts";
import { isDiskFull, type Log, messageOf } from "../log.ts";
import type { Runtime, RuntimeImage } from "../runtimes/runtime.ts";
import type { Verification } from "./webhook-verification.ts";

/** An HTTP answer; one without a body has none. */
export interface WebhookAnswer {
  status: number;
  headers?: Readonly<Record<string, string>>;
  body?: object;
}

export interface WebhookOptions {
  verify: (body: Buffer, headers: Record<string, string>) => Verification;
  /** Whose webhooks this agent serves. */
  account: string;
  cluster: string;
  backends: Backends;
  lease: Pick<KeyLease, "check">;
  urlOf: BackendUrls;
  runtime: Pick<Runtime, "pull">;
  /** Called with what an environment is to run next, before it is pulled. */
  announce: (pinned: ImagePinnedWebhookData) => void;
  /** Aborted when the agent closes. */
  closing: AbortSignal;
  log: Log;
}

/** Handles one delivery of a cluster webhook (src/protocol/README.md, "Cluster webhooks"). */
export function handleWebhook(
  options: WebhookOptions,
  body: Buffer,
  headers: Record<string, string>,
): WebhookAnswer {
  options.lease.check();
  const verified = options.verify(body, headers);
  if (!verified.ok) return refusal(401, `the webhook's signature is not good: ${verified.reason}`);
  const message = parseMessage(body.toString("utf8"));
  if (!message.ok) return refusal(400, message.problem);
  options.log("webhook", { type: message.value.type, webhook_id: headers["webhook-id"] });
  try {
    return act(options, message.value);
  } catch (error) {
    options.log("webhook.failed", { type: message.value.type, error: messageOf(error) });
    if (!isDiskFull(error)) return refusal(500, "the agent could not write this down; nothing was done");
    return unavailable("there is no space left on the disk of this cluster's agent; nothing was done", 5);
  }
}

function act(options: WebhookOptions, message: WebhookMessage): WebhookAnswer {
  switch (message.type) {
    case "backend.spawn": {
      const { account, cluster } = message.data;
      if (account !== options.account || cluster !== options.cluster) {
        return refusal(409, wrongCluster(options, `${account}/${cluster}`));
      }
      const spawned = options.backends.spawn(message.data);
      if (spawned.ok) return { status: 200, body: { url: options.urlOf(message.data.backend_id) } };
      if (spawned.isFinal) return refusal(409, spawned.message);
      return unavailable(spawned.message, 1);
    }
    case "backend.terminate": {
      const { backend_id, hard, reason } = message.data;
      const known = options.backends.terminate(backend_id, hard ? "hard" : "soft", reason);
      if (!known) return refusal(404, notHere(backend_id));
      if (!options.backends.writes.isMissing(backend_id)) return { status: 200, body: {} };
      return unavailable("it is being ended, which the agent could not write down", 5);
    }
    case "backend.touch":
      return touch(options.backends, message.data.backend_id);
    case "image.pinned":
      options.announce(message.data);
      void pullAhead(options, message.data.image);
      return { status: 204 };
    case "cluster.ping":
      if (message.data.cluster === options.cluster) return { status: 200, body: {} };
      return refusal(409, wrongCluster(options, message.data.cluster));
  }
}

/** Nothing comes between the look at the backend and its timer: what is answered 200 lives for its whole idle time. */
function touch(backends: Backends, id: string): WebhookAnswer {
  const backend = backends.get(id);
  if (backend?.touch()) return { status: 200, body: {} };
  if (!backend && !backends.hasEnded(id)) return refusal(404, notHere(id));
  return refusal(410, `backend \`${id}\` is ending or has ended`);
}

function notHere(id: string): string {
  return `backend \`${id}\` does not run here`;
}

/** Best effort: a spawn pulls again, and reports a failure. */
async function pullAhead({ runtime, closing, log }: WebhookOptions, image: RuntimeImage): Promise<void> {
  try {
    const pulled = await runtime.pull(image, closing);
    log("image.pulled", { image: image.reference, ...(pulled.ok ? {} : { error: pulled.error.message }) });
  } catch (error) {
    log("image.pulled", { image: image.reference, error: messageOf(error) });
  }
}

function parseMessage(text: string): { ok: true; value: WebhookMessage } | { ok: false; problem: string } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { ok: false, problem: "the body is not JSON" };
  }
  const parsed = webhookMessage.safeParse(json);
  return parsed.success
    ? { ok: true, value: parsed.data }
    : { ok: false, problem: z.prettifyError(parsed.error) };
}

function wrongCluster({ account, cluster }: WebhookOptions, named: string): string {
  return `this agent serves cluster \`${account}/${cluster}\`, not \`${named}\``;
}

/** To be sent again, after so many seconds at the earliest. */
function unavailable(message: string, retryAfterSeconds: number): WebhookAnswer {
  return { ...refusal(503, message), headers: { "retry-after": String(retryAfterSeconds) } };
}

function refusal(status: number, message: string): WebhookAnswer {
  return { status, body: { error: { message } } };
}
