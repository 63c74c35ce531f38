import { keyTerminatingWaitMs, recoveryDelayMs } from "../../../domain/limits.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import type { Alarm } from "../../alarm.ts";
import type { ConnectCall, Connection } from "../../contract.ts";
import type { Deliveries } from "../deliveries/deliveries.ts";
import type { ServiceState } from "../state.ts";
import { connectRandomBytes, type Decided } from "./decide.ts";
import { replayOrDecide } from "./replay.ts";
import { countConnect, countRefusal } from "./usage.ts";
import type { Waiters } from "./waiters.ts";

export interface ConnectPorts {
  state: ServiceState;
  alarm: Alarm;
  deliveries: Deliveries;
  waiters: Waiters;
}

/**
 * Decides a connect and carries it out: the decision is one synchronous transaction; the webhook, and the wait for
 * a key whose holder is ending, come after it.
 */
export async function connectBackend(ports: ConnectPorts, call: ConnectCall): Promise<Result<Connection>> {
  const { state, deliveries, waiters } = ports;
  const giveUpAt = Date.now() + keyTerminatingWaitMs;
  for (;;) {
    const now = Date.now();
    const random = crypto.getRandomValues(new Uint8Array(connectRandomBytes));
    const decided = state.withService((service) =>
      replayOrDecide(state, service, call, deliveries, now, random),
    );
    if (!decided.ok) {
      countRefusal(ports, call, decided.error.code);
      return decided;
    }
    const { value } = decided;
    if (value.step === "replay") return value.result;
    if (value.step !== "wait") return finish(ports, call, value);
    const { backendId } = value;
    const ended = await waiters.untilEnded(backendId, giveUpAt - now, () => holdsOn(state, backendId));
    if (!ended) {
      countRefusal(ports, call, "key_terminating");
      return fail(
        "key_terminating",
        `backend \`${backendId}\` holds the key \`${call.key}\` and is still ending`,
        {
          details: { backend_id: backendId },
          retryAfterSeconds: 5,
        },
      );
    }
  }
}

function holdsOn(state: ServiceState, backendId: string): boolean {
  const row = state.sql.backend(backendId);
  return row !== undefined && row.status !== "terminated";
}

async function finish(
  ports: ConnectPorts,
  call: ConnectCall,
  decided: Exclude<Decided, { step: "wait" }>,
): Promise<Result<Connection>> {
  const { state, alarm } = ports;
  const { draft } = decided;
  if (decided.step === "spawned") {
    alarm.noLaterThan(draft.grantedAt + recoveryDelayMs);
    countConnect(ports, "spawned", draft.environment);
  }
  const url = await urlOf(ports, decided);
  const result = url.ok ? ok({ ...draft, baseUrl: url.value }) : url;
  if (!result.ok) countRefusal(ports, call, result.error.code);
  // A retry that finds the backend which its first request started was counted then.
  else if (!draft.spawned) countConnect(ports, "reused", draft.environment);
  if (call.idempotency && (result.ok || result.error.code !== "cluster_unavailable")) {
    state.idempotency.keep(call.idempotency, { result, subject: draft.backendId }, Date.now());
  }
  return result;
}

/** The backend's URL; a spawn is answered when its cluster has answered, unless the cluster is `async`. */
async function urlOf(
  { state, deliveries }: ConnectPorts,
  decided: Exclude<Decided, { step: "wait" }>,
): Promise<Result<string>> {
  const { backendId, baseUrl, cluster } = decided.draft;
  if (decided.step === "reused" && baseUrl !== null) return ok(baseUrl);
  if (decided.step === "reused" && !deliveries.isSpawning(backendId)) {
    return fail(
      "cluster_unavailable",
      `cluster \`${cluster}\` has not told the URL of backend \`${backendId}\` yet`,
      {
        details: { backend_id: backendId },
        retryAfterSeconds: 2,
      },
    );
  }
  const attempt = deliveries.spawn(backendId, decided.step === "spawned" ? decided.row : undefined);
  if (baseUrl !== null && state.cluster(cluster)?.ack === "async") return ok(baseUrl);
  return attempt;
}
