import { closeSync, fstatSync, openSync, renameSync, writeFileSync } from "node:fs";

/** A file of this length is put aside, in bytes; so a log takes at most twice that. */
const defaultMaxBytes = 10 * 1024 * 1024;

/**
 * A log that is appended to at once, so that nothing is lost when the process ends. Its end is put aside as `<path>.1`,
 * in the place of the one before. It never throws: what a full disk does not take is counted, and said once there is
 * room again.
 */
export class LogFile {
  readonly #path: string;
  readonly #maxBytes: number;
  #fd: number | null = null;
  #bytes = 0;
  #lost = 0;

  constructor(path: string, { maxBytes = defaultMaxBytes }: { maxBytes?: number } = {}) {
    this.#path = path;
    this.#maxBytes = maxBytes;
  }

  /** @param text whole lines, their ends included, or a piece of what a process prints */
  append(text: string | Uint8Array): void {
    try {
      if (this.#lost > 0) {
        this.#write(Buffer.from(`\n{"event":"log.lost","writes":${this.#lost}}\n`));
        this.#lost = 0;
      }
      this.#write(Buffer.from(text));
    } catch {
      this.#lost += 1;
    }
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }

  #write(bytes: Buffer): void {
    let fd = this.#fd ?? this.#open();
    if (this.#bytes > 0 && this.#bytes + bytes.length > this.#maxBytes) {
      this.close();
      renameSync(this.#path, `${this.#path}.1`);
      fd = this.#open();
    }
    writeFileSync(fd, bytes);
    this.#bytes += bytes.length;
  }

  #open(): number {
    this.#fd = openSync(this.#path, "a", 0o600);
    this.#bytes = fstatSync(this.#fd).size;
    return this.#fd;
  }
}
