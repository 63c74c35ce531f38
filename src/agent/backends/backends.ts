import {
  isStartingUp,
  nextEntry,
  type StatusEntry,
  type TerminationKind,
  type TerminationReason,
} from "../../domain/backends/status.ts";
import type { ListedBackend } from "../../protocol/v3/agent.ts";
import type { SpawnWebhookData } from "../../protocol/webhooks/webhook.ts";
import type { KeyLease } from "../control-plane/lease.ts";
import type { Reporter, ReportOutcome } from "../control-plane/reporter.ts";
import { messageOf } from "../log.ts";
import type { Found, RuntimeImage, Usage } from "../runtimes/runtime.ts";
import { after } from "../timers.ts";
import { adoptionOf } from "./adoption.ts";
import { Backend, type BackendContext } from "./backend.ts";
import { BackendStreams } from "./backend-streams.ts";
import type { Journal, JournaledEnd } from "./journal.ts";
import { JournalWrites } from "./journal-writes.ts";

export interface BackendsOptions extends Omit<BackendContext, "onStatus"> {
  journal: Journal;
  reporter: Reporter;
  lease: KeyLease;
  /** Why this machine has no room for another backend at the moment; null where it has. */
  whyNoRoom: () => string | null;
}

/** Where connections reach a backend. */
export type BackendUrls = (backendId: string) => string;

export type SpawnOutcome =
  | { ok: true }
  /** `isFinal`: a redelivery would be refused again. */
  | { ok: false; isFinal: boolean; message: string };

interface Kept {
  backend: Backend;
  /** How many entries of its history were acknowledged or handed to the reporter. */
  reported: number;
}

/** All backends of this agent: those that run, and those whose end Slipway has not acknowledged yet. */
export class Backends {
  readonly #options: BackendsOptions;
  /** What could not be written down yet of a backend is missing under its id: an agent that started now would not know it. */
  readonly writes: JournalWrites;
  readonly #streams: BackendStreams;
  readonly #backends = new Map<string, Kept>();
  readonly #fenced = new Set<Backend>();
  /** Null while nothing is reported. */
  #urlOf: BackendUrls | null = null;
  #draining = false;

  constructor(options: BackendsOptions) {
    this.#options = options;
    this.#streams = new BackendStreams(options);
    this.writes = new JournalWrites(options);
  }

  get draining(): boolean {
    return this.#draining;
  }

  get(backendId: string): Backend | undefined {
    return this.#backends.get(backendId)?.backend;
  }

  /** Whether a backend has ended that `get` does not give any more, or was terminated before its spawn came. */
  hasEnded(backendId: string): boolean {
    return this.#options.journal.ended(backendId) !== null;
  }

  /**
   * Takes over what an earlier agent has left, as `adoptionOf` says, and ends what the runtime has that the journal
   * does not know. Resolves when that is done. Rejects where the runtime or the journal cannot be read.
   */
  async adopt(): Promise<void> {
    const { journal, runtime, log } = this.#options;
    this.writes.write("old ends", () => this.#forgetOldEnds());
    const found = new Map((await runtime.list()).map((started) => [started.backendId, started]));
    for (const { spawn, acknowledged, ...life } of journal.backends()) {
      const backend = new Backend(spawn, life, this.#context);
      const started = found.get(backend.id);
      const adoption = adoptionOf(backend.status, started !== undefined);
      found.delete(backend.id);
      // A restarted spawn is confirmed again, so all but `scheduled`, which Slipway wrote itself, is reported again. More than
      // is known here was acknowledged where it could not be written down.
      const reported = adoption === "launch" ? 1 : Math.min(acknowledged, life.history.length);
      this.#backends.set(backend.id, { backend, reported });
      log("backend.adopted", { backend_id: backend.id, status: backend.status, adoption });
      backend.resume(adoption, started);
      if (adoption === "remove") this.#streams.clear(backend.id);
    }
    this.#options.lease.check();
    await Promise.all(Array.from(found.values(), (stray) => this.#endStray(stray)));
  }

  /** Begins to report, what was left unacknowledged first. */
  startReporting(urlOf: BackendUrls): void {
    this.#urlOf = urlOf;
    for (const kept of this.#backends.values()) this.#report(kept);
  }

  /**
   * Starts a backend in the background, once it is in the journal. A redelivery is answered as the first delivery and
   * starts nothing. Throws where the journal cannot be written: then nothing is started.
   */
  spawn(data: SpawnWebhookData): SpawnOutcome {
    const { journal } = this.#options;
    const id = data.backend_id;
    if (this.#backends.has(id)) return { ok: true };
    const end = journal.ended(id);
    if (end?.wasSpawned) return { ok: true };
    if (end)
      return { ok: false, isFinal: true, message: "this backend was terminated before its spawn arrived" };
    if (this.#draining)
      return { ok: false, isFinal: false, message: "this cluster's agent is shutting down" };
    if (data.key !== null && !this.#options.lease.grants()) {
      const message =
        "this cluster's agent has not heard from Slipway for too long to start a backend with a key";
      return { ok: false, isFinal: false, message };
    }

    const noRoom = this.#options.whyNoRoom();
    if (noRoom !== null) return { ok: false, isFinal: false, message: noRoom };

    const scheduled = nextEntry([], { status: "scheduled" }, Date.now());
    const life = { history: scheduled ? [scheduled] : [], failure: null };
    journal.addBackend(data, life.history);
    const backend = new Backend(data, life, this.#context);
    this.#backends.set(id, { backend, reported: 1 });
    this.#options.log("backend.spawned", { backend_id: id });
    backend.launch();
    return { ok: true };
  }

  /**
   * @returns whether this agent knows the backend; the spawn of one that it does not know is refused if it comes later.
   * Throws where that cannot be written down
   */
  terminate(backendId: string, kind: TerminationKind, reason: TerminationReason): boolean {
    const backend = this.get(backendId);
    if (backend) backend.terminate(kind, reason);
    else this.#addEnd(backendId, { wasSpawned: false, failure: null });
    return backend !== undefined;
  }

  /** Kills backends that Slipway says should not run here. */
  terminateUnwanted(backendIds: readonly string[]): void {
    for (const id of backendIds) this.get(id)?.terminate("hard", "external");
  }

  /** Kills the backends that hold keys. */
  fence(): void {
    for (const { backend } of this.#backends.values()) {
      if (backend.spawn.key === null || backend.status === "terminated") continue;
      this.#fenced.add(backend);
      backend.terminate("hard", "lost");
    }
  }

  /** Whether a backend that was fenced may hold its key: until its process has ended. */
  get isFencing(): boolean {
    for (const fenced of this.#fenced) if (fenced.status === "terminated") this.#fenced.delete(fenced);
    return this.#fenced.size > 0;
  }

  /** The images of those that have not ended. */
  *images(): Generator<RuntimeImage> {
    for (const { backend } of this.#backends.values()) {
      if (backend.status !== "terminated") yield backend.spawn.image;
    }
  }

  /** Whether the runtime may have something of a backend that is still needed. */
  isKnown(backendId: string): boolean {
    return this.#backends.has(backendId) || this.#streams.isClearing(backendId);
  }

  list(): ListedBackend[] {
    return Array.from(this.#backends.values(), ({ backend: { id, status, spawn, idleness } }) => ({
      id,
      status,
      fencing_token: spawn.fencing_token,
      ...(idleness.seconds === null ? {} : { idle_seconds: idleness.seconds }),
    }));
  }

  /**
   * The lines of a backend's output: of one that is still being pulled from its start on, of one that has ended the
   * last of them. Null for a backend that this agent does not know.
   */
  logs(backendId: string, signal: AbortSignal): AsyncIterable<string> | null {
    const backend = this.get(backendId);
    if (backend) return this.#streams.follow(backend, signal);
    const end = this.#options.journal.ended(backendId);
    return end?.wasSpawned ? this.#streams.ofEnded(backendId, end.failure, signal) : null;
  }

  /** What a backend uses, about every second, from its start to its end. Null for one that this agent does not know. */
  stats(backendId: string, signal: AbortSignal): AsyncIterable<Usage> | null {
    const backend = this.get(backendId);
    if (backend) return this.#streams.stats(backend, signal);
    return this.#options.journal.ended(backendId)?.wasSpawned ? none() : null;
  }

  /** Refuses new spawns from now on. */
  refuseSpawns(): void {
    this.#draining = true;
  }

  /** Ends everything, softly at first. Resolves when nothing runs any more. */
  async endAll(graceMs: number): Promise<void> {
    const ended = Promise.all(Array.from(this.#backends.values(), ({ backend }) => backend.ended));
    this.#terminateAll("soft");
    const killing = setTimeout(() => this.#terminateAll("hard"), graceMs);
    await ended;
    clearTimeout(killing);
    this.writes.close();
    await this.#streams.settled();
  }

  /** Leaves everything to the next start. Resolves when this agent does nothing more. */
  async releaseAll(): Promise<void> {
    this.#urlOf = null;
    await Promise.all(Array.from(this.#backends.values(), ({ backend }) => backend.release()));
    this.writes.close();
    await this.#streams.settled();
  }

  get #context(): BackendContext {
    return { ...this.#options, onStatus: (backend, entry) => this.#onStatus(backend, entry) };
  }

  #terminateAll(kind: TerminationKind): void {
    for (const { backend } of this.#backends.values()) backend.terminate(kind, "external");
  }

  /** Resolves after one attempt. One that fails is repeated until the agent stops: what nobody knows may hold a key. */
  async #endStray(stray: Found): Promise<void> {
    const { runtime, clock, log } = this.#options;
    const { backendId, exited } = stray;
    log("stray.found", { backend_id: backendId });
    try {
      await runtime.stop(backendId, "hard");
      await exited;
      await runtime.remove(backendId);
    } catch (error) {
      log("stray.remains", { backend_id: backendId, error: messageOf(error) });
      after(clock.stopRetryMs, () => {
        if (!this.#draining) void this.#endStray(stray);
      });
    }
  }

  #onStatus(backend: Backend, entry: StatusEntry): void {
    const { time: _time, last_status: _lastStatus, ...fields } = entry;
    this.writes.write(backend.id, () => {
      this.#options.journal.setHistory(backend.id, backend.history, backend.failure);
      // Until its end is written down, what the runtime has is how the next agent knows of it.
      if (backend.status === "terminated") this.#streams.clear(backend.id);
    });
    this.#options.log("backend.status", { backend_id: backend.id, ...fields });
    const kept = this.#backends.get(backend.id);
    if (kept) this.#report(kept);
  }

  /** Enqueues new history entries with the reporter. */
  #report(kept: Kept): void {
    if (!this.#urlOf) return;
    const { backend } = kept;
    for (; kept.reported < backend.history.length; kept.reported++) {
      const entry = backend.history[kept.reported];
      if (entry) void this.#deliver(backend, entry, kept.reported + 1, this.#urlOf(backend.id));
    }
  }

  async #deliver(backend: Backend, entry: StatusEntry, acknowledged: number, url: string): Promise<void> {
    const delivered = await this.#options.reporter.report(backend.id, {
      entry,
      fencingToken: backend.spawn.fencing_token,
      url: entry.status === "terminated" ? null : url,
      mayWait: isStartingUp(entry.status) && !backend.confirmation.isAwaited,
    });
    if (delivered.outcome === "undelivered") return;
    if (entry.status === "terminated") {
      const isUnwritten = this.writes.isMissing(backend.id);
      this.writes.write(backend.id, () => {
        this.#addEnd(backend.id, { wasSpawned: true, failure: backend.failure });
        this.#backends.delete(backend.id);
        if (isUnwritten) this.#streams.clear(backend.id);
      });
      return;
    }
    const { journal } = this.#options;
    this.writes.write(`${backend.id} acknowledged`, () => journal.setAcknowledged(backend.id, acknowledged));
    if (isUnwanted(delivered)) backend.terminate("hard", "external");
    else if (delivered.outcome === "acknowledged") backend.confirmation.give();
  }

  #addEnd(backendId: string, end: JournaledEnd): void {
    this.#forgetOldEnds();
    this.#options.journal.addEnd(backendId, end, Date.now());
  }

  #forgetOldEnds(): void {
    const { journal, clock } = this.#options;
    for (const id of journal.forgetEndsBefore(Date.now() - clock.endedRememberedMs)) this.#streams.forget(id);
  }
}

function isUnwanted(delivered: ReportOutcome): boolean {
  return (
    delivered.outcome === "unknown" ||
    (delivered.outcome === "acknowledged" && delivered.current === "terminated")
  );
}

async function* none(): AsyncGenerator<never> {}
