import { setTimeout as elapse } from "node:timers/promises";
import type { Address } from "../runtime.ts";
import type { BackendFolder } from "./backend-folder.ts";
import { BackendOutput, type BackendOutputOptions } from "./backend-output.ts";
import { type Leader, type ProcessTable, signalGroup } from "./process-table.ts";

/** A shell needs a millisecond or two to start a command. */
const beginPollMs = 2;
const leftoverPollMs = 10;

export interface ProcessBackendOptions {
  folder: BackendFolder;
  leader: Leader;
  address: Address;
  table: ProcessTable;
  output: BackendOutputOptions;
}

/** A backend that was started, by this process or by one before it. */
export class ProcessBackend {
  readonly address: Address;
  readonly output: BackendOutput;
  /** See `Started`. */
  readonly exited: Promise<number | null>;
  readonly #options: ProcessBackendOptions;
  readonly #over = new AbortController();
  readonly #resolveExited: (code: number | null) => void;
  #isEnding = false;

  constructor(options: ProcessBackendOptions) {
    this.#options = options;
    this.address = options.address;
    this.output = new BackendOutput(options.folder, options.output);
    const { promise, resolve } = Promise.withResolvers<number | null>();
    this.exited = promise;
    this.#resolveExited = resolve;
  }

  /** Aborted when nothing of it runs any more. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  get group(): number {
    return this.#options.leader.pid;
  }

  /** Whether the process that leads it is still the one that did: for a backend that an earlier process has started. */
  async isRecognised(): Promise<boolean> {
    const { leader, table } = this.#options;
    return (await table.identify(leader.pid)) === leader.identity;
  }

  /** Checks whether it still runs, and bounds its output. Call it periodically, and when its end is likely. */
  check(): void {
    if (this.#isEnding) return;
    try {
      if (this.#isRunning()) this.output.trim();
      else this.end();
    } catch {
      // Such as too many open files: the next check may succeed.
    }
  }

  /** Handles the end of the process that leads it. */
  end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    void this.#finish().then((code) => {
      this.#over.abort();
      this.#resolveExited(code);
    });
  }

  /** Resolves when its command was started; to false where it ended before that. */
  async hasBegun(): Promise<boolean> {
    for (;;) {
      const mayBegin = !this.#isEnding && this.#isRunning();
      if (await this.#options.folder.hasOutput()) return true;
      if (!mayBegin) return false;
      await elapse(beginPollMs);
    }
  }

  /** Returns once the signal is sent. Harmless if it has ended. */
  stop(kind: "soft" | "hard"): void {
    if (this.#isEnding || !this.#isRunning()) return;
    if (kind === "hard") this.#options.folder.markKilled();
    signalGroup(this.group, kind === "hard" ? "SIGKILL" : "SIGTERM");
  }

  /** Ends it and forgets it. */
  async discard(): Promise<void> {
    this.stop("hard");
    this.check();
    await this.exited;
    await this.#options.folder.remove();
  }

  #isRunning(): boolean {
    return this.#options.table.isRunning(this.#options.leader);
  }

  async #finish(): Promise<number | null> {
    for (;;) {
      try {
        if (!(await this.#hasLeftovers())) return await this.#options.folder.exitCode();
      } catch {
        // Such as too many open files: the next check may succeed.
      }
      await elapse(leftoverPollMs);
    }
  }

  /** Kills what is left of the group where the shell alone was killed. */
  async #hasLeftovers(): Promise<boolean> {
    const { leader, table } = this.#options;
    if (!table.isOwnGroup(leader) || !signalGroup(this.group, "SIGKILL")) return false;
    return (await table.usageOf(this.group)) !== null;
  }
}
