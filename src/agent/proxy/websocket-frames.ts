/** Opcodes of RFC 6455 5.2 that matter to a proxy. */
export const opcodes = { close: 0x8, ping: 0x9, pong: 0xa } as const;

const finalFrame = 0x80;
const maskBit = 0x80;
const controlPayloadMax = 125;
/** Followed by a length of two bytes, and of eight. */
const [shortLength, longLength] = [126, 127];
const maskBytes = 4;

/** A final Ping of a server, which masks nothing (RFC 6455 5.5.2). @param payload at most 125 bytes */
export function pingFrame(payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([finalFrame | opcodes.ping, payload.length]), payload]);
}

/**
 * Finds where the frames of one direction of a WebSocket end, and nothing else: payloads, fragments and the bits of
 * extensions are not looked at. Where the bytes are no frames it is lost, and finds no more ends.
 */
export class FrameTracker {
  readonly #isMasked: boolean;
  readonly #header: number[] = [];
  #headerBytes = 2;
  #payloadLeft = 0;
  #isLost = false;

  /** @param isMasked whether it is the client's direction (RFC 6455 5.3) */
  constructor(isMasked: boolean) {
    this.#isMasked = isMasked;
  }

  /** Whether what was consumed so far ends with a whole frame: then another may be put in here. */
  get isBetweenFrames(): boolean {
    return !this.#isLost && this.#header.length === 0 && this.#payloadLeft === 0;
  }

  /**
   * Consumes bytes up to the end of the frame that has begun, or of the chunk.
   * @param from where the bytes begin in the chunk
   * @param onHeader called with the opcode of a frame whose header is complete
   * @returns where the next ones begin
   */
  consume(chunk: Uint8Array, from: number, onHeader: (opcode: number) => void = () => {}): number {
    let at = from;
    while (!this.#isLost && this.#payloadLeft === 0 && at < chunk.length) {
      this.#header.push(chunk[at] ?? 0);
      at += 1;
      if (this.#header.length === 2) this.#headerBytes = this.#headerLength();
      if (this.#isLost || this.#header.length < this.#headerBytes) continue;
      this.#payloadLeft = this.#payloadLength();
      if (this.#isLost) continue;
      onHeader((this.#header[0] ?? 0) & 0xf);
      this.#header.length = 0;
      this.#headerBytes = 2;
      if (this.#payloadLeft === 0) return at;
    }
    if (this.#isLost) return chunk.length;
    const payload = Math.min(this.#payloadLeft, chunk.length - at);
    this.#payloadLeft -= payload;
    return at + payload;
  }

  #headerLength(): number {
    const [first = 0, second = 0] = this.#header;
    const opcode = first & 0xf;
    const length = second & 0x7f;
    const isControl = opcode >= opcodes.close;
    const isKnown = opcode <= 2 || (isControl && opcode <= opcodes.pong);
    const isWhole = !isControl || (length <= controlPayloadMax && (first & finalFrame) !== 0);
    if (!isKnown || !isWhole || (second & maskBit) !== (this.#isMasked ? maskBit : 0)) this.#isLost = true;
    const lengthBytes = length === shortLength ? 2 : length === longLength ? 8 : 0;
    return 2 + lengthBytes + (this.#isMasked ? maskBytes : 0);
  }

  #payloadLength(): number {
    const header = Buffer.from(this.#header);
    const length = (header[1] ?? 0) & 0x7f;
    if (length === shortLength) return header.readUInt16BE(2);
    if (length !== longLength) return length;
    const long = Number(header.readBigUInt64BE(2));
    if (!Number.isSafeInteger(long)) this.#isLost = true;
    return long;
  }
}

/** Takes the Pongs that answer the proxy's own Pings out of what a client sends, and leaves every other byte as it is. */
export class OwnPongs {
  readonly #payload: Buffer;
  readonly #frames = new FrameTracker(true);
  /** The beginning of a frame that may turn out to be such a Pong. */
  #held: Buffer = Buffer.alloc(0);

  /** @param payload of the Pings: nobody else's has it */
  constructor(payload: Buffer) {
    this.#payload = payload;
  }

  /** @returns what is to be passed on, in order */
  pass(received: Buffer): Buffer[] {
    const chunk = this.#held.length === 0 ? received : Buffer.concat([this.#held, received]);
    this.#held = Buffer.alloc(0);
    const passed: Buffer[] = [];
    let begin = 0;
    let at = 0;
    while (at < chunk.length) {
      if (this.#frames.isBetweenFrames) {
        const own = this.#match(chunk.subarray(at));
        if (own !== "other" && at > begin) passed.push(chunk.subarray(begin, at));
        if (own === "part") {
          this.#held = chunk.subarray(at);
          return passed;
        }
        if (own === "whole") {
          at += this.#frameBytes();
          begin = at;
          continue;
        }
      }
      at = this.#frames.consume(chunk, at);
    }
    if (begin < chunk.length) passed.push(begin === 0 ? chunk : chunk.subarray(begin));
    return passed;
  }

  /** What is held back, once the client has ended. */
  rest(): Buffer {
    return this.#held;
  }

  #frameBytes(): number {
    return 2 + maskBytes + this.#payload.length;
  }

  /** Whether a frame's bytes are those of such a Pong, a beginning of one, or something else's. */
  #match(frame: Buffer): "whole" | "part" | "other" {
    const head = [finalFrame | opcodes.pong, maskBit | this.#payload.length];
    const length = Math.min(frame.length, this.#frameBytes());
    for (let i = 0; i < length; i++) {
      const byte = frame[i] ?? 0;
      if (
        i < 2
          ? byte !== head[i]
          : i >= 2 + maskBytes && this.#unmasked(frame, i) !== this.#payload[i - 2 - maskBytes]
      )
        return "other";
    }
    return length === this.#frameBytes() ? "whole" : "part";
  }

  #unmasked(frame: Buffer, i: number): number {
    return (frame[i] ?? 0) ^ (frame[2 + ((i - 2 - maskBytes) % maskBytes)] ?? 0);
  }
}
