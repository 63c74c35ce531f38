import {
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { hasCode } from "../../log.ts";
import { pause } from "../../timers.ts";
import { outputLines } from "../output-lines.ts";
import type { BackendFolder } from "./backend-folder.ts";

const chunkBytes = 64 * 1024;

export interface BackendOutputOptions {
  /** How much is kept at least, where there was so much; about twice that at most. */
  keptBytes: number;
  /** Between two looks for more, while somebody reads it. */
  followEveryMs: number;
}

/** A reader's position: the file, numbered from the first that this process saw, and the offset in it in bytes. */
interface Position {
  file: number;
  bytes: number;
}

/**
 * The output of a backend, which appends to one file whether or not an agent runs. When the file exceeds what is kept,
 * its end is copied to another file and the file is truncated; in append mode the backend continues at its new end.
 */
export class BackendOutput {
  readonly #folder: BackendFolder;
  readonly #options: BackendOutputOptions;
  /** How many times the file was truncated. */
  #file = 0;
  /** The offset in the file before its truncation at which the copied end begins. */
  #earlierFrom = 0;

  constructor(folder: BackendFolder, options: BackendOutputOptions) {
    this.#folder = folder;
    this.#options = options;
  }

  /**
   * Makes room if there is more than what is kept; call it periodically. Sync, since the backend prints on
   * meanwhile, and what comes between the last byte copied and the emptying is lost.
   */
  trim(): void {
    const bytes = sizeOf(this.#folder.output);
    const { keptBytes } = this.#options;
    if (bytes <= keptBytes) return;
    this.#earlierFrom = moveEnd(this.#folder, bytes - keptBytes, bytes + keptBytes);
    this.#file++;
  }

  /** The lines printed so far and, until `over` is aborted, those to come. Ends early when `signal` is aborted. */
  async *lines(signal: AbortSignal, over: AbortSignal): AsyncGenerator<string> {
    const lines: string[] = [];
    const output = outputLines((line) => lines.push(line));
    const position: Position = { file: this.#file - 1, bytes: this.#earlierFrom };
    const either = AbortSignal.any([signal, over]);
    for (let isLast = false; !isLast && !signal.aborted; ) {
      const isOver = over.aborted;
      const chunk = await this.#read(position, output.end);
      if (chunk.length > 0) output.push(chunk);
      else if (isOver) {
        output.end();
        isLast = true;
      } else await pause(this.#options.followEveryMs, either);
      for (const line of lines.splice(0)) {
        if (signal.aborted) return;
        yield line;
      }
    }
  }

  /**
   * The next bytes from a position, which is moved; none where there are none yet.
   * @param onGap is called if they are not what followed what was read before
   */
  async #read(position: Position, onGap: () => void): Promise<Buffer> {
    for (;;) {
      const file = this.#file;
      const isEarlier = position.file < file;
      const from = isEarlier ? this.#earlierFrom : 0;
      // A reader that is too slow for what is kept skips to the oldest kept byte.
      if (position.file < file - 1 || position.bytes < from) {
        Object.assign(position, { file: isEarlier ? file - 1 : file, bytes: from });
        onGap();
      }
      const path = isEarlier ? this.#folder.earlierOutput : this.#folder.output;
      const chunk = await readAt(path, position.bytes - from);
      // Truncated meanwhile, so that the bytes read are unreliable.
      if (file !== this.#file) continue;
      position.bytes += chunk.length;
      if (chunk.length > 0) return chunk;
      if (isEarlier) Object.assign(position, { file, bytes: 0 });
      else if (position.bytes <= sizeOf(path)) return chunk;
      else {
        // The backend itself may empty it: a program that opens its own /dev/stdout for writing does.
        position.bytes = 0;
        onGap();
      }
    }
  }
}

/**
 * Empties the output, having copied to the earlier output what stands in it between two bytes, from a line's beginning
 * on. Where that cannot be written, there is no earlier output afterwards.
 * @returns the byte from which it was copied
 */
function moveEnd({ output, earlierOutput }: BackendFolder, from: number, to: number): number {
  const unfinished = `${earlierOutput}.unfinished`;
  const source = openSync(output, "r+");
  try {
    const copy = openSync(unfinished, "w+");
    try {
      const skipped = lineAfter(source, from);
      const copied = copyBytes(source, copy, from + skipped, to);
      renameSync(unfinished, earlierOutput);
      // As late as possible: what the backend prints between this statement and the next is lost.
      const end = copyBytes(source, copy, copied, to);
      // Under a flood of output the copy ends in the middle of a line, which must not be joined with another's end.
      if (fstatSync(source).size > end) cutToLineEnd(copy);
      ftruncateSync(source);
      return from + skipped;
    } finally {
      closeSync(copy);
    }
  } catch {
    for (const failed of [unfinished, earlierOutput]) rmSync(failed, { force: true });
    ftruncateSync(source);
    return from;
  } finally {
    closeSync(source);
  }
}

/** How many bytes after a position the next line begins; 0 where none begins nearby. */
function lineAfter(file: number, position: number): number {
  const chunk = Buffer.allocUnsafe(chunkBytes);
  return chunk.subarray(0, readSync(file, chunk, 0, chunkBytes, position)).indexOf("\n") + 1;
}

/** Takes off what follows a file's last line end, if there is one nearby. */
function cutToLineEnd(file: number): void {
  const chunk = Buffer.allocUnsafe(chunkBytes);
  const from = Math.max(0, fstatSync(file).size - chunkBytes);
  const lineEnd = chunk.subarray(0, readSync(file, chunk, 0, chunkBytes, from)).lastIndexOf("\n");
  if (lineEnd >= 0) ftruncateSync(file, from + lineEnd + 1);
}

/** @returns how far it came: to the end of the source, or about to the byte given */
function copyBytes(source: number, target: number, from: number, to: number): number {
  const chunk = Buffer.allocUnsafe(16 * chunkBytes);
  let at = from;
  while (at < to) {
    const length = readSync(source, chunk, 0, chunk.length, at);
    if (length === 0) break;
    // A disk that fills up takes a part first, and fails then.
    at += writeSync(target, chunk, 0, length);
  }
  return at;
}

async function readAt(path: string, position: number): Promise<Buffer> {
  try {
    await using file = await open(path);
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, position);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return Buffer.alloc(0);
    throw error;
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
