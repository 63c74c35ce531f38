import { uploadBlockBytes } from "../../domain/limits.ts";
import type { PartDoor, PartPlace } from "./part-room.ts";

/** Some bytes of a stream. They are in memory, and count as that, until they are let go of. */
export interface Piece {
  bytes: Uint8Array<ArrayBuffer>;
  letGo(): void;
}

/** Where what has come of a piece is put while its client sends nothing and others wait. */
export interface Aside {
  put(bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  get(): Promise<ReadableStream<Uint8Array>>;
}

export interface PieceSource {
  /** Bytes of ours that come before those of `body`: opened when there is room for them. */
  before?: (() => Promise<ReadableStream<Uint8Array>>) | undefined;
  body?: ReadableStream<Uint8Array>;
}

export interface PieceOptions {
  room: PartDoor;
  /** Of each piece but the last, in bytes. */
  size: number;
  /** Reads no further than one byte more: the pieces are then longer than that together. */
  atMost?: number;
  /** Without it, what has come stays in memory. */
  aside?: Aside;
}

/**
 * Cuts a stream to pieces, each of which waits for its room in memory before more than a block of it is read. What has come of a
 * piece whose client stalls is put aside where others wait.
 */
export class PieceReader {
  readonly #options: PieceOptions;
  readonly #unopened: (() => Promise<ReadableStream<Uint8Array>>)[];
  readonly #held = new Set<PieceBuffer>();
  #reader: ReadableStreamBYOBReader | null = null;
  #block = new ArrayBuffer(uploadBlockBytes);
  #left: number;
  #isBefore: boolean;
  #isClosed = false;
  #isReading = false;

  constructor({ before, body }: PieceSource, options: PieceOptions) {
    this.#options = options;
    this.#unopened = [...(before ? [before] : []), ...(body ? [async () => body] : [])];
    this.#isBefore = before !== undefined;
    this.#left = (options.atMost ?? Number.POSITIVE_INFINITY) + 1;
  }

  /** The next piece. The last one is shorter than the others, and may be empty. */
  async next(): Promise<Piece> {
    const buffer = new PieceBuffer(this.#options);
    this.#held.add(buffer);
    if (this.#isBefore) await buffer.enter();
    this.#isBefore = false;
    for (;;) {
      const block = await buffer.unlessWanted(() =>
        this.#read(Math.min(this.#options.size - buffer.filled, this.#left)),
      );
      if (this.#isClosed) throw new Error("nobody reads this any more");
      if (block === null) break;
      await buffer.add(block);
    }
    const bytes = await buffer.content();
    return {
      bytes,
      letGo: () => {
        this.#held.delete(buffer);
        buffer.letGo();
      },
    };
  }

  /**
   * Ends reading, also one that goes on, and lets go of all pieces.
   * @param keepsBody leaves the rest of the body to be read by whoever answers, so that its client gets the answer
   */
  async close({ keepsBody = false } = {}): Promise<void> {
    this.#isClosed = true;
    for (const buffer of this.#held) buffer.letGo();
    this.#held.clear();
    if (keepsBody && !this.#isReading) this.#reader?.releaseLock();
    else await Promise.allSettled([this.#reader?.cancel()]);
  }

  /** The next bytes, a block at most; null at the end, and where none are missing. They are there until the next read. */
  async #read(missing: number): Promise<Uint8Array<ArrayBuffer> | null> {
    const length = Math.min(missing, uploadBlockBytes);
    while (length > 0 && !this.#isClosed) {
      if (!this.#reader) {
        const open = this.#unopened.shift();
        if (!open) return null;
        this.#reader = (await open()).getReader({ mode: "byob" });
      }
      this.#isReading = true;
      const { value } = await this.#reader.readAtLeast(length, new Uint8Array(this.#block, 0, length));
      this.#isReading = false;
      this.#block = value?.buffer ?? new ArrayBuffer(uploadBlockBytes);
      if (value && value.byteLength > 0) {
        this.#left -= value.byteLength;
        return value;
      }
      this.#reader = null;
    }
    return null;
  }
}

/** One piece while it is filled: it holds a part of memory once it has more than a block, and none while it is put aside. */
class PieceBuffer {
  readonly #options: PieceOptions;
  #place: PartPlace | null = null;
  /** What there is, as far as it is in memory. */
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #isAside = false;
  #isLetGo = false;
  filled = 0;

  constructor(options: PieceOptions) {
    this.#options = options;
  }

  /** Gets a part of memory, and back into it what has come so far. */
  async enter(): Promise<void> {
    if (this.#place || this.#isLetGo) return;
    this.#place = this.#options.room.enter();
    await this.#place.granted;
    if (this.#isLetGo) return;
    const part = new Uint8Array(this.#options.size);
    part.set(this.#bytes);
    this.#bytes = part;
    if (!this.#isAside) return;
    this.#isAside = false;
    let at = 0;
    for await (const chunk of (await this.#options.aside?.get()) ?? []) {
      part.set(chunk, at);
      at += chunk.byteLength;
    }
    if (at !== this.filled) throw new Error(`of ${this.filled} bytes that were put aside, ${at} came back`);
  }

  async add(block: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.filled === 0 && !this.#place) {
      this.#bytes = block.slice();
    } else {
      await this.enter();
      if (!this.#isLetGo) this.#bytes.set(block, this.filled);
    }
    this.filled += block.byteLength;
  }

  /** What a read gives. While that takes long and others wait, this gives its part of memory up. */
  async unlessWanted<T>(read: () => Promise<T>): Promise<T> {
    const { aside } = this.#options;
    const reading = read();
    if (!aside || !this.#place) return reading;
    const outcome = await this.#place.unlessWanted(reading);
    if (outcome !== "wanted") return outcome;
    const [given] = await Promise.all([reading, this.#putAside(aside)]);
    return given;
  }

  async #putAside(aside: Aside): Promise<void> {
    await aside.put(this.#bytes.subarray(0, this.filled));
    this.#isAside = true;
    this.#leave();
  }

  async content(): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#isAside) await this.enter();
    return this.#bytes.subarray(0, this.filled);
  }

  letGo(): void {
    this.#isLetGo = true;
    this.#leave();
  }

  #leave(): void {
    // Else it stays until the next collection of garbage, beside what was granted since.
    if (this.#place) this.#bytes.buffer.transfer(0);
    this.#bytes = new Uint8Array(0);
    this.#place?.leave();
    this.#place = null;
  }
}
