import { keyTerminatingWaitMs, recoveryDelayMs } from "../../../domain/limits.ts";
import { type Failure, fail, ok, type Result } from "../../../domain/result.ts";
import type { Alarm } from "../../alarm.ts";
import type { Connection } from "../../contract.ts";
import type { Deliveries } from "../deliveries/deliveries.ts";
import type { Touches } from "../deliveries/touches.ts";
import type { ServiceRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";
import {
  type ConnectCall,
  connectRandomBytes,
  type Decided,
  decide,
  recordSpawn,
  type Spawned,
  type TouchedHolders,
} from "./decide.ts";
import { findReplay, type Replayed } from "./replay.ts";
import { replaySubject } from "./replay-subject.ts";
import { countConnect, countRefusal } from "./usage.ts";
import type { Waiters } from "./waiters.ts";

/** What a connect needs beside the state that it is decided on. */
export interface ConnectPorts {
  state: ServiceState;
  alarm: Alarm;
  deliveries: Deliveries;
  touches: Touches;
  waiters: Waiters;
}

/** A decision that names the backend to connect to. */
type Chosen = Extract<Decided, { step: "reused" }> | Spawned;

type Settled = Exclude<Decided, { step: "spawn" }> | Spawned;

/**
 * Connects to the backend that holds a key, or starts one:
 *
 * 1. One synchronous step finds what the same request was answered before (replay.ts), or else decides and records the
 *    decision (decide.ts). It needs a transaction only where more is kept than the backend's row.
 * 2. Where the key's holder may be swept before the client has come, it is touched; where it is ending, the connect waits for its
 *    end (waiters.ts). Then it decides anew.
 * 3. The backend's URL: known already, or from the answer of the cluster that is to start it.
 * 4. The answer is counted (usage.ts) and kept for a retry of the request.
 */
export async function connectBackend(ports: ConnectPorts, call: ConnectCall): Promise<Result<Connection>> {
  const giveUpAt = Date.now() + keyTerminatingWaitMs;
  const touched: TouchedHolders = new Map();
  for (;;) {
    const now = Date.now();
    const decided = replayOrDecide(ports, call, touched, now);
    if (!decided.ok) return refuse(ports, call, decided.error);
    const { value } = decided;
    if (value.step === "replayed") return value.result;
    if (value.step === "touch") {
      touched.set(value.holder.id, await ports.touches.touch(value.holder));
      continue;
    }
    if (value.step !== "wait") return complete(ports, call, value);
    const hasEnded = await holderEnds(ports, value.backendId, giveUpAt - now);
    if (!hasEnded) return refuse(ports, call, keyTerminating(call, value.backendId));
  }
}

function replayOrDecide(
  ports: ConnectPorts,
  call: ConnectCall,
  touched: TouchedHolders,
  now: number,
): Result<Replayed | Settled> {
  const { state, deliveries } = ports;
  const { idempotency } = call.caller;
  if (idempotency) {
    return state.withService<Replayed | Settled>((service) => {
      const replay = findReplay(state, deliveries, call.caller, now);
      if (!replay.ok) return replay;
      if (replay.value) return ok(replay.value);
      const decided = decide(ports, service, call, touched, now);
      const settled = decided.ok ? settle(state, service, call, decided.value, now) : decided;
      if (settled.ok && "draft" in settled.value) {
        // With the decision, so that a retry after a crash finds the backend that was decided instead of starting another.
        state.idempotency.keep(
          idempotency,
          { result: null, subject: replaySubject(settled.value.draft) },
          now,
        );
      }
      return settled;
    });
  }
  return state.reading((service) => {
    const decided = decide(ports, service, call, touched, now);
    return decided.ok ? settle(state, service, call, decided.value, now) : decided;
  });
}

function settle(
  state: ServiceState,
  service: ServiceRow,
  call: ConnectCall,
  decided: Decided,
  now: number,
): Result<Settled> {
  if (decided.step !== "spawn") return ok(decided);
  const random = crypto.getRandomValues(new Uint8Array(connectRandomBytes));
  return ok(recordSpawn(state, service, decided.decision, call, now, random));
}

/** @returns whether the backend ended within `timeoutMs` */
function holderEnds(
  { state, waiters }: ConnectPorts,
  backendId: string,
  timeoutMs: number,
): Promise<boolean> {
  return waiters.untilEnded(backendId, timeoutMs, () => {
    const row = state.backend(backendId);
    return row !== undefined && row.status !== "terminated";
  });
}

/** Carries out what was decided. The decision is committed: whatever fails from here on, a retry finds its backend. */
async function complete(ports: ConnectPorts, call: ConnectCall, chosen: Chosen): Promise<Result<Connection>> {
  const { state, alarm } = ports;
  const { draft } = chosen;
  if (chosen.step === "spawned") {
    alarm.noLaterThan(draft.grantedAt + recoveryDelayMs);
    countConnect(ports, "spawned", draft.environment);
  }
  const url = await urlOf(ports, chosen);
  const result = url.ok ? ok({ ...draft, baseUrl: url.value, tokenId: crypto.randomUUID() }) : url;
  if (!result.ok) countRefusal(ports, call, result.error.code);
  // A retry that finds the backend which its first request started was counted then.
  else if (!draft.spawned) countConnect(ports, "reused", draft.environment);
  const { idempotency } = call.caller;
  if (idempotency && (result.ok || result.error.code !== "cluster_unavailable")) {
    state.idempotency.keep(idempotency, { result, subject: replaySubject(draft) }, Date.now());
  }
  return result;
}

/** The backend's URL; a spawn is answered when its cluster has answered, unless the cluster is `async`. */
async function urlOf({ state, deliveries }: ConnectPorts, chosen: Chosen): Promise<Result<string>> {
  const { backendId, baseUrl, cluster } = chosen.draft;
  if (chosen.step === "reused" && baseUrl !== null) return ok(baseUrl);
  if (chosen.step === "reused" && !deliveries.isSpawning(backendId)) {
    const found = await deliveries.findUrl(backendId);
    if (found.ok) return found;
    return fail(
      "cluster_unavailable",
      `cluster \`${cluster}\` has not told the URL of backend \`${backendId}\` yet`,
      {
        details: { backend_id: backendId },
        retryAfterSeconds: 2,
      },
    );
  }
  const attempt = deliveries.spawn(backendId, chosen.step === "spawned" ? chosen.row : undefined);
  if (baseUrl !== null && state.cluster(cluster)?.ack === "async") return ok(baseUrl);
  return attempt;
}

function refuse(ports: ConnectPorts, call: ConnectCall, error: Failure): Result<Connection> {
  countRefusal(ports, call, error.code);
  return { ok: false, error };
}

function keyTerminating({ params }: ConnectCall, backendId: string): Failure {
  return fail(
    "key_terminating",
    `backend \`${backendId}\` holds the key \`${params.key}\` and is still ending`,
    {
      details: { backend_id: backendId },
      retryAfterSeconds: 5,
    },
  ).error;
}
