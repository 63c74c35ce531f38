import type { AgentClock } from "../clock.ts";
import { type Log, messageOf } from "../log.ts";
import { after } from "../timers.ts";

export interface JournalWritesOptions {
  clock: Pick<AgentClock, "journalRetryMs">;
  log: Log;
}

/**
 * Writes to the journal that must not stop a backend where they fail, as on a full disk: they are made again until they
 * succeed, or this is closed.
 */
export class JournalWrites {
  readonly #options: JournalWritesOptions;
  readonly #failed = new Map<string, () => void>();
  #cancelRetry: (() => void) | null = null;
  #isClosed = false;

  constructor(options: JournalWritesOptions) {
    this.#options = options;
  }

  /** Whether there is something that could not be written. */
  get isFailing(): boolean {
    return this.#failed.size > 0;
  }

  /** Whether the last write under a name could not be made yet. */
  isMissing(name: string): boolean {
    return this.#failed.has(name);
  }

  /**
   * Makes a write, now or when that is possible again. One that is to be made under the same name is given up for it.
   * @param write what throws must have changed nothing
   */
  write(name: string, write: () => void): void {
    this.#failed.delete(name);
    try {
      write();
    } catch (error) {
      this.#options.log("journal.failed", { name, error: messageOf(error) });
      this.#failed.set(name, write);
      this.#retryLater();
    }
  }

  /** Makes the last attempt. What fails then is known to the next start by what the runtime has, or Slipway. */
  close(): void {
    this.#isClosed = true;
    this.#cancelRetry?.();
    if (this.isFailing) this.#retry();
  }

  #retryLater(): void {
    if (this.#isClosed || this.#cancelRetry !== null) return;
    this.#cancelRetry = after(this.#options.clock.journalRetryMs, () => {
      this.#cancelRetry = null;
      this.#retry();
    });
  }

  #retry(): void {
    for (const [name, write] of this.#failed) {
      try {
        write();
        this.#failed.delete(name);
      } catch {
        // Said when it failed first. The others would fail as well.
        this.#retryLater();
        return;
      }
    }
    this.#options.log("journal.recovered");
  }
}
