import { constants } from "node:os";
import {
  type BackendStatus,
  nextEntry,
  type StatusEntry,
  type StatusReport,
  type TerminationKind,
  type TerminationReason,
} from "../domain/backend-status.ts";
import type { Failure } from "../domain/result.ts";
import type { SpawnWebhookData } from "../protocol/webhook.ts";
import { backendEnv } from "./backend-env.ts";
import type { AgentClock } from "./clock.ts";
import { type Log, messageOf } from "./log.ts";
import { untilAnswers } from "./readiness.ts";
import type { Exit, Runtime } from "./runtime.ts";
import { after } from "./timers.ts";

export interface BackendSurroundings {
  runtime: Runtime;
  clock: AgentClock;
  log: Log;
  /** Told of every status that is entered, in order. */
  onStatus(backend: Backend, entry: StatusEntry): void;
}

type TimerName = "startup" | "lifetime" | "idle" | "grace";

/** One backend's life, from its spawn to the end of its process. */
export class Backend {
  readonly spawn: SpawnWebhookData;
  /** Resolves when the backend is `terminated`: nothing of it runs any more. */
  readonly ended: Promise<void>;

  readonly #surroundings: BackendSurroundings;
  readonly #history: StatusEntry[] = [];
  readonly #timers = new Map<TimerName, () => void>();
  /** Aborted when the end begins: there is nothing left to pull or to wait for. */
  readonly #abandon = new AbortController();
  readonly #readiness = Promise.withResolvers<boolean>();
  readonly #end = Promise.withResolvers<void>();
  #phase: "pulling" | "starting" | "running" = "pulling";
  #port: number | null = null;
  #ending: { kind: TerminationKind; reason: TerminationReason } | null = null;
  #connections = 0;

  constructor(spawn: SpawnWebhookData, surroundings: BackendSurroundings) {
    this.spawn = spawn;
    this.ended = this.#end.promise;
    this.#surroundings = surroundings;
    this.#enter({ status: "scheduled" });
  }

  get id(): string {
    return this.spawn.backend_id;
  }

  get status(): BackendStatus {
    return this.#history.at(-1)?.status ?? "scheduled";
  }

  /** Where on 127.0.0.1 a backend that has been ready answers until it ends; null before and after. */
  get port(): number | null {
    const servable = this.#history.some(({ status }) => status === "ready") && this.status !== "terminated";
    return servable ? this.#port : null;
  }

  /** Pulls, starts and waits until the backend is ready or ended. Never rejects. To be called once. */
  async run(): Promise<void> {
    try {
      this.#arm("startup", this.spawn.limits.startup_timeout_seconds * 1000, () =>
        this.terminate("hard", "startuptimeout"),
      );
      await this.#bringUp();
    } catch (error) {
      this.#giveUp({ code: "internal_error", message: messageOf(error) });
    }
  }

  /**
   * Ends the backend: soft asks its process and kills it after the grace, hard kills it. Asking again is
   * harmless; soft can be made hard, and the first reason stays.
   */
  terminate(kind: TerminationKind, reason: TerminationReason): void {
    if (this.status === "terminated") return;
    if (this.#ending && (kind === "soft" || this.#ending.kind === "hard")) return;
    this.#ending = { kind, reason: this.#ending?.reason ?? reason };
    this.#disarm();
    this.#enter({
      status: kind === "hard" ? "hard-terminating" : "terminating",
      termination_reason: this.#ending.reason,
    });
    this.#readiness.resolve(false);
    this.#abandon.abort();
    if (this.#phase === "pulling") {
      this.#finish(null);
      return;
    }
    if (kind === "soft") {
      this.#arm("grace", this.#surroundings.clock.softTerminationGraceMs, () =>
        this.terminate("hard", reason),
      );
    }
    if (this.#phase === "running") this.#stopProcess();
  }

  /** Resolves to whether the backend has become ready: false when it ends first or after `ms`. */
  async whenReady(ms: number): Promise<boolean> {
    const late = Promise.withResolvers<boolean>();
    const cancel = after(ms, () => late.resolve(false));
    try {
      return await Promise.race([this.#readiness.promise, late.promise]);
    } finally {
      cancel();
    }
  }

  /** Counts an open connection, which keeps the backend from being idle. @returns what counts it off again */
  openConnection(): () => void {
    let open = true;
    this.#connections++;
    this.#disarm("idle");
    return () => {
      if (!open) return;
      open = false;
      this.#connections--;
      this.#watchIdleness();
    };
  }

  async #bringUp(): Promise<void> {
    const { runtime, clock, log } = this.#surroundings;
    const { image, limits, mount, port } = this.spawn;
    this.#enter({ status: "loading" });
    const pulled = await runtime.pull(image, this.#abandon.signal);
    if (this.#ending) return;
    if (!pulled.ok) return this.#giveUp(pulled.error);

    this.#phase = "starting";
    this.#enter({ status: "starting" });
    const started = await runtime.start({
      backendId: this.id,
      image,
      env: backendEnv(this.spawn),
      resources: limits.resources,
      mount,
      port,
      onOutput: (stream, line) => log("backend.output", { backend_id: this.id, stream, line }),
    });
    if (!started.ok) return this.#giveUp(started.error);

    this.#phase = "running";
    this.#port = started.value.port;
    void started.value.exited.then((exit) => this.#finish(exit));
    if (this.#ending) return this.#stopProcess();
    this.#enter({ status: "waiting" });
    if (await untilAnswers(started.value.port, clock, this.#abandon.signal)) this.#becomeReady();
  }

  #becomeReady(): void {
    if (this.#ending || this.status === "terminated") return;
    this.#disarm("startup");
    this.#enter({ status: "ready" });
    const { lifetime_limit_seconds: lifetimeSeconds } = this.spawn.limits;
    if (lifetimeSeconds !== undefined) {
      this.#arm("lifetime", lifetimeSeconds * 1000, () => this.terminate("soft", "swept"));
    }
    this.#watchIdleness();
    this.#readiness.resolve(true);
  }

  #watchIdleness(): void {
    const maxIdleMs = this.spawn.limits.max_idle_seconds * 1000;
    if (maxIdleMs === 0 || this.#connections > 0 || this.status !== "ready") return;
    this.#arm("idle", maxIdleMs, () => this.terminate("soft", "swept"));
  }

  #stopProcess(): void {
    const kind = this.#ending?.kind ?? "hard";
    this.#surroundings.runtime.stop(this.id, kind).catch((error: unknown) => {
      this.#surroundings.log("backend.stop_failed", { backend_id: this.id, kind, error: messageOf(error) });
    });
  }

  /** Ends a backend that could not be started. */
  #giveUp(failure: Failure): void {
    this.#surroundings.log("backend.failed", { backend_id: this.id, error: failure });
    this.#ending ??= { kind: "hard", reason: "internalerror" };
    if (this.#phase === "running") this.#stopProcess();
    else this.#finish(null);
  }

  #finish(exit: Exit | null): void {
    this.#disarm();
    this.#abandon.abort();
    this.#readiness.resolve(false);
    const code = exit && exitCode(exit);
    this.#enter({
      status: "terminated",
      ...(code === null ? {} : { exit_code: code }),
      ...(this.#ending && {
        termination_reason: this.#ending.reason,
        termination_kind: this.#ending.kind,
      }),
    });
    this.#end.resolve();
  }

  #enter(report: StatusReport): void {
    const entry = nextEntry(this.#history, report, Date.now());
    if (!entry) return;
    this.#history.push(entry);
    this.#surroundings.onStatus(this, entry);
  }

  #arm(name: TimerName, ms: number, task: () => void): void {
    this.#disarm(name);
    this.#timers.set(name, after(ms, task));
  }

  #disarm(name?: TimerName): void {
    for (const [armed, cancel] of this.#timers) {
      if (name !== undefined && armed !== name) continue;
      cancel();
      this.#timers.delete(armed);
    }
  }
}

/** One number for both ways to end, as shells and containers give it: 128 and the signal's number. */
function exitCode({ code, signal }: Exit): number | null {
  if (code !== null) return code;
  return signal === null ? null : 128 + constants.signals[signal];
}
