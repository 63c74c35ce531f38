import type { StatusEntry } from "../../domain/backends/status.ts";
import { statusStreamsPerAddress, statusStreamsPerBackend, streamRetrySeconds } from "../../domain/limits.ts";
import { fail, ok, type Result } from "../../domain/result.ts";
import type { Env } from "../../objects/env.ts";
import { budgetSpent, unreached } from "../../objects/failures/unreached.ts";
import { backendsStub } from "../../objects/stubs.ts";
import { sseEvent, sseHeaders } from "../../protocol/sse.ts";
import { clientAddress } from "../client-address.ts";
import { type BackendLocation, backendNotFound } from "../locate-backend.ts";
import { openFollowing } from "./follow.ts";
import { withKeepAlive } from "./keep-alive.ts";
import { type PullSource, pulledStream } from "./pulled-stream.ts";
import { cannotFollow, SharedStatuses } from "./shared-statuses.ts";
import { type Place, StreamPlaces } from "./stream-places.ts";

/** Renders an entry for a stream's client, or null to skip it. Stateful: each stream has one of its own. */
export type StatusRenderer = (entry: StatusEntry) => unknown;

// Of the isolate: all requests that it serves share them.
const statuses = new SharedStatuses();
const places = new StreamPlaces();

/**
 * Streams a backend's statuses as server-sent events until it has terminated. The stream is held here, in the Worker;
 * all streams of the backend share a WebSocket to its shard, with which the object may hibernate. Where that breaks off
 * they end, and their clients reconnect. `too_many_streams` where the backend or the client has enough of them.
 */
export async function streamStatuses(
  { env, request, backend }: { env: Env; request: Request; backend: BackendLocation },
  render: StatusRenderer,
): Promise<Response | Result<never>> {
  const taken = takePlaces(env, request, backend);
  if (!taken.ok) return taken;
  const held = taken.value;
  const renew = () => {
    for (const place of held) place.renew();
  };
  const release = () => {
    for (const place of held) place.release();
  };
  let followed: Result<PullSource<StatusEntry>> | undefined;
  try {
    followed = await statuses.follow(backend.id, () => openFollow(env, backend), renew);
  } finally {
    if (!followed?.ok) release();
  }
  if (!followed.ok) return followed;
  const events = statusEvents(followed.value, render, release);
  return new Response(withKeepAlive(events), { headers: sseHeaders });
}

/** Emits a chunk for each new status of a backend; ends as `streamStatuses` does, and where it cannot be followed. */
export function statusChanges(env: Env, backend: BackendLocation): ReadableStream<Uint8Array> {
  let following: Promise<Result<PullSource<StatusEntry>>> | undefined;
  let events: PullSource<Uint8Array> | undefined;
  return pulledStream({
    async next() {
      following ??= statuses.follow(backend.id, () => openFollow(env, backend));
      const followed = await following;
      if (!followed.ok) return { items: [], isLast: true };
      events ??= eventSource(followed.value, ({ status }) => status);
      return events.next();
    },
    async release(reason) {
      const followed = await following;
      if (followed?.ok) await followed.value.release?.(reason);
    },
  });
}

function takePlaces(env: Env, request: Request, { id }: BackendLocation): Result<Place[]> {
  const ofBackend = limit(env, "STATUS_STREAMS_PER_BACKEND", statusStreamsPerBackend);
  const backend = places.take(`backend ${id}`, ofBackend);
  if (!backend) return tooMany(`this backend has ${ofBackend} status streams already`);
  const address = clientAddress(request, env);
  if (address === null) return ok([backend]);
  const ofAddress = limit(env, "STATUS_STREAMS_PER_ADDRESS", statusStreamsPerAddress);
  const client = places.take(`address ${address}`, ofAddress);
  if (client) return ok([backend, client]);
  backend.release();
  return tooMany(`your address has ${ofAddress} status streams already`);
}

function tooMany(message: string) {
  return fail("too_many_streams", message, { retryAfterSeconds: streamRetrySeconds });
}

/** @throws where the deployment sets something else than a whole number */
function limit(
  env: Env,
  name: "STATUS_STREAMS_PER_BACKEND" | "STATUS_STREAMS_PER_ADDRESS",
  byDefault: number,
): number {
  const text = env[name] ?? "";
  if (text === "") return byDefault;
  if (!/^\d+$/.test(text)) throw new Error(`${name} is not a whole number: ${text}`);
  return Number(text);
}

/** A socket that carries a backend's statuses. `unavailable` where its shard takes no more followers. */
async function openFollow(env: Env, backend: BackendLocation): Promise<Result<WebSocket>> {
  const { id, account, service } = backend;
  const query = new URLSearchParams({ account, service });
  const shard = backendsStub(env, backend, id);
  try {
    const following = await openFollowing(shard, `/follow/${id}?${query}`);
    if (following.socket) return ok(following.socket);
    return following.status === 404 ? backendNotFound(id) : cannotFollow();
  } catch (error) {
    if (!unreached(error) && !budgetSpent(error)) throw error;
    return cannotFollow();
  }
}

/**
 * The server-sent events of a backend's statuses, each in one chunk. A history has each status at most once, which
 * bounds what a client that does not read leaves queued.
 * @param release called when the stream ends, however it does
 */
export function statusEvents(
  statuses: PullSource<StatusEntry>,
  render: StatusRenderer,
  release: () => void = () => {},
): ReadableStream<Uint8Array> {
  const events = eventSource(statuses, render);
  return pulledStream({
    next: events.next,
    release(reason) {
      release();
      return events.release?.(reason);
    },
  });
}

function eventSource(statuses: PullSource<StatusEntry>, render: StatusRenderer): PullSource<Uint8Array> {
  const encoder = new TextEncoder();
  return {
    async next() {
      const { items, ...rest } = await statuses.next();
      const rendered = items.map(render).filter((event) => event !== null);
      return { items: rendered.map((event) => encoder.encode(sseEvent(event))), ...rest };
    },
    release: (reason) => statuses.release?.(reason),
  };
}
