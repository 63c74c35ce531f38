import type { AgentClock } from "../clock.ts";
import { type Log, messageOf } from "../log.ts";
import type { Runtime, Usage } from "../runtimes/runtime.ts";
import type { Backend } from "./backend.ts";
import { EndedOutput, lastLines } from "./ended-output.ts";
import { untilAborted } from "./until-aborted.ts";

/** The output and usage of backends: from the runtime while they run, afterwards what was kept. */
export class BackendStreams {
  readonly #runtime: Runtime;
  readonly #clock: AgentClock;
  readonly #log: Log;
  readonly #kept = new EndedOutput();
  readonly #clearing = new Map<string, Promise<void>>();

  constructor({ runtime, clock, log }: { runtime: Runtime; clock: AgentClock; log: Log }) {
    this.#runtime = runtime;
    this.#clock = clock;
    this.#log = log;
  }

  /** Removes an ended backend from the runtime, once its output was read to the end. A failure is only logged. */
  clear(backendId: string): void {
    const cleared = this.#clear(backendId)
      .catch((error: unknown) =>
        this.#log("backend.remove_failed", { backend_id: backendId, error: messageOf(error) }),
      )
      .finally(() => this.#clearing.delete(backendId));
    this.#clearing.set(backendId, cleared);
  }

  isClearing(backendId: string): boolean {
    return this.#clearing.has(backendId);
  }

  /** Resolves when nothing is being cleared any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#clearing.values());
  }

  forget(backendId: string): void {
    this.#kept.forget(backendId);
  }

  /** The output of a backend, from when it is started until it ends; why it never started as its only line. */
  async *follow(backend: Backend, signal: AbortSignal): AsyncGenerator<string> {
    const wasStarted = await untilAborted(backend.started, signal);
    if (signal.aborted) return;
    let isEmpty = true;
    if (wasStarted && backend.status !== "terminated") {
      for await (const line of this.#runtime.logs(backend.id, signal)) {
        isEmpty = false;
        yield line;
      }
    }
    // It may have been cleared before the first line was requested.
    if (isEmpty && backend.status === "terminated") yield* this.ofEnded(backend.id, backend.failure, signal);
  }

  /** What is left of the output of an ended backend, and why it never started, where it did not. */
  async *ofEnded(backendId: string, failure: string | null, signal: AbortSignal): AsyncGenerator<string> {
    const clearing = this.#clearing.get(backendId);
    if (clearing) await untilAborted(clearing, signal);
    for (const line of this.#kept.of(backendId)) {
      if (signal.aborted) return;
      yield line;
    }
    if (failure !== null && !signal.aborted) yield `slipway: the backend never started: ${failure}`;
  }

  async *stats(backend: Backend, signal: AbortSignal): AsyncGenerator<Usage> {
    const wasStarted = await untilAborted(backend.started, signal);
    if (wasStarted && backend.status !== "terminated") yield* this.#runtime.stats(backend.id, signal);
  }

  async #clear(backendId: string): Promise<void> {
    try {
      const reading = AbortSignal.timeout(this.#clock.endedOutputReadMs);
      this.#kept.keep(backendId, await lastLines(this.#runtime.logs(backendId, reading)));
    } catch (error) {
      this.#log("backend.output_lost", { backend_id: backendId, error: messageOf(error) });
    }
    await this.#runtime.remove(backendId);
  }
}
