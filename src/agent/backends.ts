import type { StatusEntry, TerminationKind, TerminationReason } from "../domain/backend-status.ts";
import type { HeartbeatBody, StatusReportBody } from "../protocol/v3/agent.ts";
import type { SpawnWebhookData } from "../protocol/webhook.ts";
import { Backend, type BackendSurroundings } from "./backend.ts";
import type { Reporter } from "./reporter.ts";

export interface BackendsOptions extends Omit<BackendSurroundings, "onStatus"> {
  reporter: Reporter;
  /** Where connections reach a backend. */
  urlOf(backendId: string): string;
}

export type SpawnOutcome = { ok: true; url: string } | { ok: false; message: string };

/** All backends of this agent: those that run, and those whose end Slipway has not acknowledged yet. */
export class Backends {
  readonly #options: BackendsOptions;
  readonly #backends = new Map<string, Backend>();
  /** What must not be started (again), and since when (milliseconds, monotonic): redeliveries may come late. */
  readonly #ended = new Map<string, { wasStarted: boolean; at: number }>();
  #draining = false;

  constructor(options: BackendsOptions) {
    this.#options = options;
  }

  get draining(): boolean {
    return this.#draining;
  }

  get(backendId: string): Backend | undefined {
    return this.#backends.get(backendId);
  }

  /** Starts a backend in the background. A redelivery is answered as the first delivery and starts nothing. */
  spawn(data: SpawnWebhookData): SpawnOutcome {
    const url = this.#options.urlOf(data.backend_id);
    if (this.#backends.has(data.backend_id)) return { ok: true, url };
    const ended = this.#ended.get(data.backend_id);
    if (ended?.wasStarted) return { ok: true, url };
    if (ended) return { ok: false, message: "this backend was terminated before its spawn arrived" };
    if (this.#draining) return { ok: false, message: "this cluster's agent is shutting down" };

    const backend = new Backend(data, {
      ...this.#options,
      onStatus: (changed, entry) => void this.#report(changed, entry, url),
    });
    this.#backends.set(data.backend_id, backend);
    void backend.run();
    return { ok: true, url };
  }

  /** @returns false for a backend that this agent does not know; its spawn is refused if it comes later */
  terminate(backendId: string, kind: TerminationKind, reason: TerminationReason): boolean {
    const backend = this.#backends.get(backendId);
    if (backend) backend.terminate(kind, reason);
    else if (!this.#ended.has(backendId)) this.#rememberEnd(backendId, false);
    return backend !== undefined;
  }

  /** Kills what Slipway says should not run here. */
  terminateUnwanted(backendIds: readonly string[]): void {
    for (const id of backendIds) this.#backends.get(id)?.terminate("hard", "external");
  }

  list(): HeartbeatBody["backends"] {
    return Array.from(this.#backends.values(), ({ id, status, spawn }) => ({
      id,
      status,
      fencing_token: spawn.fencing_token,
    }));
  }

  /** Refuses spawns from now on and ends everything, softly at first. Resolves when nothing runs any more. */
  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    const ended = Promise.all(Array.from(this.#backends.values(), (backend) => backend.ended));
    this.#terminateAll("soft");
    const killing = setTimeout(() => this.#terminateAll("hard"), graceMs);
    await ended;
    clearTimeout(killing);
  }

  #terminateAll(kind: TerminationKind): void {
    for (const backend of this.#backends.values()) backend.terminate(kind, "external");
  }

  async #report(backend: Backend, entry: StatusEntry, url: string): Promise<void> {
    const { log, reporter } = this.#options;
    const { time: _time, last_status: _lastStatus, ...report } = entry;
    log("backend.status", { backend_id: backend.id, ...report });
    // Slipway wrote `scheduled` itself when it decided the spawn.
    if (entry.status === "scheduled") return;
    const body: StatusReportBody = {
      ...report,
      fencing_token: backend.spawn.fencing_token,
      ...(entry.status === "terminated" ? {} : { url }),
    };
    const delivered = await reporter.report(backend.id, body);
    const unwanted =
      delivered.outcome === "unknown" ||
      (delivered.outcome === "acknowledged" && delivered.current === "terminated");
    if (entry.status === "terminated") {
      if (delivered.outcome === "undelivered") return;
      this.#backends.delete(backend.id);
      this.#rememberEnd(backend.id, true);
    } else if (unwanted) {
      backend.terminate("hard", "external");
    }
  }

  #rememberEnd(backendId: string, wasStarted: boolean): void {
    this.#forgetOldEnds();
    this.#ended.set(backendId, { wasStarted, at: performance.now() });
  }

  #forgetOldEnds(): void {
    const oldest = performance.now() - this.#options.clock.endedRememberedMs;
    for (const [id, { at }] of this.#ended) {
      if (at >= oldest) return;
      this.#ended.delete(id);
    }
  }
}
