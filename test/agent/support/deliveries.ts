import { randomUUID } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { formatAccessToken } from "../../../src/protocol/tokens/access-token.ts";
import { formatSigningSecret } from "../../../src/protocol/webhooks/signature.ts";
import { digestOf, type ImageName } from "./images.ts";

export const agentToken = formatAccessToken({ account: "acme", id: "0123456789ab", secret: "s".repeat(43) });
export const signingSecret = formatSigningSecret(new Uint8Array(32).fill(7));

let spawned = 0;

/** The data of a `backend.spawn` with an id of its own. */
export function spawnData(image: ImageName = "serve", changes: Record<string, unknown> = {}) {
  const id = `k3f9q${String(++spawned).padStart(8, "0")}`;
  const digest = digestOf(image);
  return {
    backend_id: id,
    account: "acme",
    service: "hello",
    environment: "prod",
    cluster: "eu-prod",
    image: {
      reference: `registry.example.com/acme/hello@${digest}`,
      repository: "registry.example.com/acme/hello",
      digest,
      tag: "v12",
    },
    pin: { image: "v12", revision: 7 },
    key: "doc-123" as string | null,
    fencing_token: 4711,
    env: {} as Record<string, string>,
    limits: { startup_timeout_seconds: 60, max_idle_seconds: 0 },
    secret_token: "the backend's secret",
    ...changes,
  };
}

export interface Delivery {
  secret?: string;
  id?: string;
  sentAt?: Date;
}

/** The headers of Standard Webhooks, made by its own library. */
export function signatureHeaders(
  body: string,
  { secret = signingSecret, id = `msg_${randomUUID()}`, sentAt = new Date() }: Delivery = {},
) {
  return {
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(sentAt.getTime() / 1000)),
    "webhook-signature": new Webhook(secret).sign(id, sentAt, body),
  };
}
