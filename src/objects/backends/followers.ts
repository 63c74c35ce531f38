import type { StatusEntry } from "../../domain/backend-status.ts";

/** What a follower may ask now and then, and what it hears while its socket leads to the shard. */
export const followerPing = "ping";
export const followerPong = "pong";

/** How many sockets a shard holds. Each backend has less than its shard, so that it leaves its neighbours places. */
export interface FollowerLimits {
  ofBackend: number;
  ofShard: number;
}

/** The platform takes 32,768 hibernatable WebSockets an object. */
const productionLimits: FollowerLimits = { ofBackend: 16_000, ofShard: 32_000 };

/**
 * Whoever follows a backend of one shard, over WebSockets beneath which the object may sleep. The platform keeps
 * them, under the backend's id as their tag; nothing of them is lost by an eviction.
 */
export class Followers {
  readonly #ctx: DurableObjectState;
  readonly #limits: FollowerLimits;
  /** Places still free when they were last counted, by tag. Counting lists every socket: a millisecond for 10,000. */
  readonly #free = new Map<string | undefined, number>();

  constructor(ctx: DurableObjectState, limits: FollowerLimits = productionLimits) {
    this.#ctx = ctx;
    this.#limits = limits;
    // Answered by the platform: a ping neither wakes the object nor keeps it awake.
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(followerPing, followerPong));
  }

  /** @returns both ends of a new follower's socket, or null where all places are taken */
  accept(backendId: string): { client: WebSocket; server: WebSocket } | null {
    const ofBackend = this.#countFree(backendId, this.#limits.ofBackend);
    const ofShard = this.#countFree(undefined, this.#limits.ofShard);
    if (ofBackend <= 0 || ofShard <= 0) return null;
    this.#free.set(backendId, ofBackend - 1).set(undefined, ofShard - 1);
    const { 0: client, 1: server } = new WebSocketPair();
    this.#ctx.acceptWebSocket(server, [backendId]);
    return { client, server };
  }

  /** Tells all followers of a backend of new entries, and closes them after `terminated`. */
  tell(backendId: string, entries: readonly StatusEntry[]): void {
    for (const socket of this.#ctx.getWebSockets(backendId)) tellEntries(socket, entries);
    if (hasEnded(entries)) this.#free.delete(backendId);
  }

  /** A tag's free places: those of the last count that were not given away since, or else a new count. */
  #countFree(tag: string | undefined, max: number): number {
    return this.#free.get(tag) || max - this.#ctx.getWebSockets(tag).length;
  }
}

/** Sends entries to one follower, and closes it after `terminated`. */
export function tellEntries(socket: WebSocket, entries: readonly StatusEntry[]): void {
  // One that is being closed is still in the platform's list, and refuses what it is sent.
  if (socket.readyState !== WebSocket.OPEN) return;
  for (const entry of entries) socket.send(JSON.stringify(entry));
  if (hasEnded(entries)) socket.close(1000, "terminated");
}

function hasEnded(entries: readonly StatusEntry[]): boolean {
  return entries.at(-1)?.status === "terminated";
}
