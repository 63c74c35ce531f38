/** What a follower may send at times, and what it receives while its socket leads to the object. */
export const followerPing = "ping";
export const followerPong = "pong";

/** How many sockets an object holds. Each tag has less than its object, so that it leaves its neighbours places. */
export interface FollowerLimits {
  ofTag: number;
  ofObject: number;
}

/** The platform takes 32,768 hibernatable WebSockets an object. */
const productionLimits: FollowerLimits = { ofTag: 16_000, ofObject: 32_000 };

/**
 * Whoever follows an object, over WebSockets beneath which it may sleep. The platform keeps them, under what they
 * follow as their tag; nothing of them is lost by an eviction.
 */
export class Followers {
  readonly #ctx: DurableObjectState;
  readonly #limits: FollowerLimits;
  /** Places still free when they were last counted, by tag. Counting lists every socket: a millisecond for 10,000. */
  readonly #free = new Map<string | undefined, number>();
  /** Tags that nobody followed when they were last looked at: then sending costs nothing. */
  readonly #unfollowed = new Set<string>();

  constructor(ctx: DurableObjectState, limits: FollowerLimits = productionLimits) {
    this.#ctx = ctx;
    this.#limits = limits;
    // Answered by the platform: a ping neither wakes the object nor keeps it awake.
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(followerPing, followerPong));
  }

  /** @returns both ends of a new follower's socket, or null where all places are taken */
  accept(tag: string): { client: WebSocket; server: WebSocket } | null {
    const ofTag = this.#countFree(tag, this.#limits.ofTag);
    const ofObject = this.#countFree(undefined, this.#limits.ofObject);
    if (ofTag <= 0 || ofObject <= 0) return null;
    this.#free.set(tag, ofTag - 1).set(undefined, ofObject - 1);
    const { 0: client, 1: server } = new WebSocketPair();
    this.#ctx.acceptWebSocket(server, [tag]);
    this.#unfollowed.delete(tag);
    return { client, server };
  }

  /** Answers a request to follow. @param begin sends the new follower what it is to receive first */
  answer(tag: string, begin: (socket: WebSocket) => void = () => {}): Response {
    const sockets = this.accept(tag);
    if (!sockets) return new Response(null, { status: 503 });
    begin(sockets.server);
    return new Response(null, { status: 101, webSocket: sockets.client });
  }

  /** Whether anybody may be following: for tags of which there are few, and cheap where nobody does. */
  isFollowed(tag: string): boolean {
    if (this.#unfollowed.has(tag)) return false;
    if (this.#ctx.getWebSockets(tag).length > 0) return true;
    this.#unfollowed.add(tag);
    return false;
  }

  /**
   * Sends messages to all followers of a tag.
   * @param messages for all of them, or what they are for each
   * @param closeReason closes their sockets after them
   */
  send(
    tag: string,
    messages: readonly unknown[] | ((socket: WebSocket) => readonly unknown[]),
    closeReason?: string,
  ): void {
    for (const socket of this.#ctx.getWebSockets(tag)) {
      sendToSocket(socket, typeof messages === "function" ? messages(socket) : messages, closeReason);
    }
    if (closeReason !== undefined) this.#free.delete(tag);
  }

  /** A tag's free places: those of the last count that were not given away since, or else a new count. */
  #countFree(tag: string | undefined, max: number): number {
    return this.#free.get(tag) || max - this.#ctx.getWebSockets(tag).length;
  }
}

/** Sends messages to one follower as JSON. @param closeReason closes the socket after them */
export function sendToSocket(socket: WebSocket, messages: readonly unknown[], closeReason?: string): void {
  // One that is being closed is still in the platform's list, and refuses what it is sent.
  if (socket.readyState !== WebSocket.OPEN) return;
  for (const message of messages) socket.send(JSON.stringify(message));
  if (closeReason !== undefined) socket.close(1000, closeReason);
}

/**
 * Closes the object's own end of a socket whose follower has left, or has failed: the platform leaves that to the
 * object. Each object that is followed calls it from its `webSocketClose` and `webSocketError`.
 */
export function followerLeft(socket: WebSocket): void {
  socket.close();
}
