import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { FrameTracker, OwnPongs, opcodes, pingFrame } from "./websocket-frames.ts";

/** Long enough that nobody else's Ping has it. */
const payloadBytes = 8;

/**
 * Pings the client of a WebSocket that has been silent, and destroys its socket when it does not answer: one that has
 * vanished closes nothing. Between two of its frames the backend's bytes pass as they are, and so do the client's, but
 * for the Pongs that answer these Pings. Where the backend pings, that counts as well.
 *
 * Call it when the tunnel is open and before anything of it was read. It reads the client's socket from then on; the
 * backend's must be piped into it already.
 * @param everyMs a client is taken for gone when it was silent for at least two of these, and at most three
 */
export function pingClient(client: Socket, backend: Socket, everyMs: number): void {
  const payload = randomBytes(payloadBytes);
  const toClient = new FrameTracker(false);
  const ownPongs = new OwnPongs(payload);
  let wasHeard = true;
  /** For how many whole ticks the client has owed an answer; null while it owes none. */
  let owedFor: number | null = null;
  let isDue = false;
  let isClosing = false;
  let handedBefore = 0;
  let wasHeldUp = false;

  backend.on("data", (chunk: Buffer) => {
    let at = 0;
    while (at < chunk.length) {
      at = toClient.consume(chunk, at, (opcode) => {
        if (opcode === opcodes.ping) owedFor ??= 0;
        if (opcode === opcodes.close) isClosing = true;
      });
    }
    if (isDue) ping(0);
  });

  client.unpipe(backend);
  client.on("data", (chunk: Buffer) => {
    wasHeard = true;
    owedFor = null;
    for (const bytes of ownPongs.pass(chunk)) {
      if (!backend.write(bytes)) client.pause();
    }
  });
  backend.on("drain", () => client.resume());
  client.once("end", () => backend.end(ownPongs.rest()));
  client.resume();

  /** @param owed what the next tick will find, if there is no answer by then */
  function ping(owed: number): void {
    isDue = !isClosing && !toClient.isBetweenFrames;
    if (isDue || isClosing) return;
    owedFor = owed;
    client.write(pingFrame(payload));
  }

  /** Whether bytes that the client did not take for a while have gone out to it since the last tick. */
  function hasTaken(): boolean {
    const handed = client.bytesWritten - client.writableLength;
    const taken = wasHeldUp && handed > handedBefore;
    handedBefore = handed;
    wasHeldUp = client.writableLength > 0;
    return taken;
  }

  const ticking = setInterval(() => {
    const isTaking = hasTaken();
    // While the backend does not read, an answer would wait here.
    if (isTaking || client.isPaused()) owedFor = null;
    else if (owedFor !== null && owedFor >= 1) client.destroy();
    else if (owedFor !== null) owedFor += 1;
    // In the middle of a frame that it does not take there is no place for a Ping, nor need of one.
    else if (!wasHeard && wasHeldUp) owedFor = 1;
    else if (!wasHeard) ping(1);
    wasHeard = false;
  }, everyMs);
  client.once("close", () => clearInterval(ticking));
}
