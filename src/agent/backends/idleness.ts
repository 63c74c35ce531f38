import { after } from "../timers.ts";

/**
 * Whether a backend is idle, and since when: it is so while it has no connection, from when it is ready, its last connection was
 * closed, or it was touched. Measured as timers are: a machine's sleep does not count.
 */
export class Idleness {
  readonly #maxMs: number;
  readonly #sweep: () => void;
  #state: "not_ready" | "watched" | "over" = "not_ready";
  #connections = 0;
  #sinceMs = 0;
  #disarm: () => void = () => undefined;

  /** @param maxSeconds 0: it may be idle for ever @param sweep called once it has been idle for so long */
  constructor(maxSeconds: number, sweep: () => void) {
    this.#maxMs = maxSeconds * 1000;
    this.#sweep = sweep;
  }

  /** The backend is ready. */
  begin(): void {
    if (this.#state === "not_ready") this.#state = "watched";
    this.restart();
  }

  /** The backend ends, or is left to another agent: it is not swept any more. */
  end(): void {
    this.#state = "over";
    this.#disarm();
  }

  /** Its idle time begins anew, unless it has a connection. */
  restart(): void {
    this.#disarm();
    this.#sinceMs = performance.now();
    if (this.#state === "watched" && this.#maxMs > 0 && this.#connections === 0) {
      this.#disarm = after(this.#maxMs, this.#sweep);
    }
  }

  /** Counts an open connection. @returns what ends that */
  openConnection(): () => void {
    let open = true;
    this.#connections++;
    this.#disarm();
    return () => {
      if (!open) return;
      open = false;
      this.#connections--;
      this.restart();
    };
  }

  /** For how long it has been idle, in whole seconds and at least so many; 0 while it has a connection, null where it is not swept. */
  get seconds(): number | null {
    if (this.#state !== "watched" || this.#maxMs === 0) return null;
    return this.#connections > 0 ? 0 : Math.max(1, Math.ceil((performance.now() - this.#sinceMs) / 1000));
  }
}
