import {
  type BackendStatus,
  isConnectable,
  nextEntry,
  type StatusEntry,
  type StatusReport,
  type TerminationKind,
  type TerminationReason,
} from "../../domain/backends/status.ts";
import type { Failure } from "../../domain/result.ts";
import type { SpawnWebhookData } from "../../protocol/webhooks/webhook.ts";
import type { AgentClock } from "../clock.ts";
import type { KeyLease } from "../control-plane/lease.ts";
import { type Log, messageOf } from "../log.ts";
import type { Address, Runtime, Started } from "../runtimes/runtime.ts";
import { after } from "../timers.ts";
import type { Adoption } from "./adoption.ts";
import { Confirmation } from "./confirmation.ts";
import { Idleness } from "./idleness.ts";
import { NamedTimers } from "./named-timers.ts";
import { pullImage } from "./pull.ts";
import { answersNow, untilAnswers } from "./readiness.ts";
import { startSpec } from "./start-spec.ts";
import { leftSinceSpawn } from "./time-left.ts";

export interface BackendContext {
  runtime: Runtime;
  clock: AgentClock;
  log: Log;
  lease: Pick<KeyLease, "check">;
  /** Called with every status that is entered, in order. */
  onStatus(backend: Backend, entry: StatusEntry): void;
}

type TimerName = "startup" | "lifetime" | "grace" | "stop";

/** One backend's life, from its spawn to the end of its process. */
export class Backend {
  readonly spawn: SpawnWebhookData;
  /** Resolves when the backend is `terminated`: nothing of it runs any more. */
  readonly ended: Promise<void>;
  /** Resolves to whether the backend was started: false when it ends first. */
  readonly started: Promise<boolean>;
  readonly idleness: Idleness;
  readonly confirmation = new Confirmation();

  readonly #context: BackendContext;
  readonly #history: StatusEntry[];
  readonly #timers = new NamedTimers<TimerName>();
  /** Aborted when the end begins: there is nothing left to pull or to wait for. */
  readonly #abandon = new AbortController();
  readonly #start = Promise.withResolvers<boolean>();
  readonly #readiness = Promise.withResolvers<boolean>();
  readonly #end = Promise.withResolvers<void>();
  #phase: "pulling" | "starting" | "running" = "pulling";
  #bringingUp: Promise<void> = Promise.resolve();
  #address: Address | null = null;
  #ending: { kind: TerminationKind; reason: TerminationReason } | null = null;
  #failure: string | null;
  #isReleased = false;

  /** @param life what has happened to it so far: `scheduled` at least */
  constructor(
    spawn: SpawnWebhookData,
    life: { history: readonly StatusEntry[]; failure: string | null },
    context: BackendContext,
  ) {
    this.spawn = spawn;
    this.ended = this.#end.promise;
    this.started = this.#start.promise;
    this.#context = context;
    this.#history = [...life.history];
    this.#failure = life.failure;
    this.idleness = new Idleness(spawn.limits.max_idle_seconds, () => this.terminate("soft", "swept"));
  }

  get id(): string {
    return this.spawn.backend_id;
  }

  get status(): BackendStatus {
    return this.#history.at(-1)?.status ?? "scheduled";
  }

  get history(): readonly StatusEntry[] {
    return this.#history;
  }

  /** Why it never started, where it did not and that is known. */
  get failure(): string | null {
    return this.#failure;
  }

  /** Where a backend that has been ready answers until it ends; null before and after, and while it may not run. */
  get address(): Address | null {
    const servable = this.#history.some(({ status }) => status === "ready") && this.status !== "terminated";
    return servable && this.mayRun ? this.#address : null;
  }

  /** Whether it holds no key, or the lease is held at this moment. */
  get mayRun(): boolean {
    return this.spawn.key === null || this.#context.lease.check();
  }

  /**
   * Pulls, starts and waits until the backend is ready or ended. What holds a key is started once it is confirmed, and so
   * is what may have ended already. Call it once, or `resume` in its place.
   */
  launch({ mayHaveEnded = false } = {}): void {
    this.#armLimits();
    if (mayHaveEnded || this.spawn.key !== null) this.confirmation.require();
    this.#bringingUp = this.#bringUp().catch((error: unknown) =>
      this.#giveUp({ code: "internal_error", message: messageOf(error) }),
    );
  }

  /** Goes on with a life that an earlier agent began. @param found what the runtime has of it */
  resume(adoption: Adoption, found: Started | undefined): void {
    const last = this.#history.at(-1);
    if (last && !isConnectable(last.status)) {
      const kind = last.status === "terminating" ? "soft" : "hard";
      this.#ending = { kind, reason: last.termination_reason ?? "external" };
    }
    if (adoption === "launch") {
      // Its end may be known to Slipway only, where it could not be written down here.
      this.launch({ mayHaveEnded: true });
    } else if (adoption === "watch" && found) {
      if (isConnectable(this.status)) this.#armLimits();
      this.#bringingUp = this.#watch(found);
    } else if (adoption === "end") {
      this.#finish(null, "lost");
    } else {
      this.#start.resolve(false);
      this.#readiness.resolve(false);
      this.#end.resolve();
    }
  }

  /**
   * Ends the backend: soft stops its process and kills it after the grace, hard kills it. Repeating it is harmless; a
   * soft end can be made hard, and the first reason stays.
   */
  terminate(kind: TerminationKind, reason: TerminationReason): void {
    if (this.status === "terminated" || this.#isReleased) return;
    if (this.#ending && (kind === "soft" || this.#ending.kind === "hard")) return;
    this.#ending = { kind, reason: this.#ending?.reason ?? reason };
    this.#cancelTimers();
    this.#enter({
      status: kind === "hard" ? "hard-terminating" : "terminating",
      termination_reason: this.#ending.reason,
    });
    this.#readiness.resolve(false);
    this.#abandon.abort();
    if (this.#phase === "pulling") {
      this.#failure ??= `it was ended before it was started: ${this.#ending.reason}`;
      this.#finish(null);
      return;
    }
    this.#stop();
  }

  /**
   * Leaves the backend to the next start of the agent: nothing more is done or reported here. Resolves once that is so.
   */
  async release(): Promise<void> {
    this.#isReleased = true;
    this.#cancelTimers();
    this.#abandon.abort();
    this.#readiness.resolve(false);
    // A pending pull starts nothing; a pending start would be unknown to the next agent.
    if (this.#phase !== "pulling") await this.#bringingUp;
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

  /** Counts an open connection, which keeps the backend from being idle. @returns what ends that */
  openConnection(): () => void {
    return this.idleness.openConnection();
  }

  /**
   * Somebody is about to connect: its idle time begins anew.
   * @returns false where its end has begun, which nothing takes back
   */
  touch(): boolean {
    if (this.#ending !== null || this.status === "terminated") return false;
    this.idleness.restart();
    return true;
  }

  async #bringUp(): Promise<void> {
    const { log, ...context } = this.#context;
    this.#enter({ status: "loading" });
    const onRetry = (failure: Failure) => {
      this.#failure = failure.message;
      log("backend.pull_retry", { backend_id: this.id, error: failure });
    };
    const pulled = await pullImage({ ...context, onRetry }, this.spawn.image, this.#abandon.signal);
    if (this.#abandon.signal.aborted) return;
    if (!pulled.ok) return this.#giveUp(pulled.error);
    // After a slow spawn, Slipway may have given the backend up and its key to another.
    await this.confirmation.until(this.#abandon.signal);
    if (!this.mayRun || this.#abandon.signal.aborted) return;

    this.#phase = "starting";
    this.#failure = null;
    this.#enter({ status: "starting" });
    const started = await context.runtime.start(startSpec(this.spawn, () => this.mayRun));
    return started.ok ? this.#watch(started.value) : this.#giveUp(started.error);
  }

  /**
   * Takes over what runs: goes on with an end that is under way, serves what was ready, waits for the rest to answer.
   */
  async #watch({ address, exited }: Started): Promise<void> {
    this.#phase = "running";
    this.#address = address;
    this.#start.resolve(true);
    // Without the lease something else than this process may have killed it.
    void exited.then((exitCode) => this.#finish(exitCode, this.mayRun ? undefined : "lost"));
    if (this.#ending) return this.#stop();
    if (this.status === "ready") return this.#serve();
    this.#enter({ status: "waiting" });
    if (await untilAnswers(address, this.#context.clock, this.#abandon.signal)) this.#becomeReady();
  }

  #becomeReady(): void {
    if (this.#ending || this.status === "terminated") return;
    this.#timers.cancel("startup");
    this.#enter({ status: "ready" });
    this.#serve();
  }

  #serve(): void {
    this.idleness.begin();
    this.#readiness.resolve(true);
  }

  /** Both count from the spawn. */
  #armLimits(): void {
    const { startup_timeout_seconds: startup, lifetime_limit_seconds: lifetime } = this.spawn.limits;
    const left = (seconds: number) => leftSinceSpawn(this.#history, seconds);
    if (this.status !== "ready") this.#arm("startup", left(startup), () => void this.#endStartup());
    if (lifetime !== undefined) this.#arm("lifetime", left(lifetime), () => this.terminate("soft", "swept"));
  }

  /** What answers now has not taken too long: this agent did not look, since it was away or frozen. */
  async #endStartup(): Promise<void> {
    if (await answersNow(this.#address, this.#context.clock, this.#abandon.signal)) this.#becomeReady();
    else if (this.status !== "ready") this.terminate("hard", "startuptimeout");
  }

  /** Stops the process as softly as the end under way says. A kill that fails is retried. */
  #stop(): void {
    const { runtime, clock, log } = this.#context;
    const kind = this.#ending?.kind ?? "hard";
    if (kind === "soft")
      this.#arm("grace", clock.softTerminationGraceMs, () => this.terminate("hard", "external"));
    if (this.#phase !== "running") return;
    runtime.stop(this.id, kind).catch((error: unknown) => {
      log("backend.stop_failed", { backend_id: this.id, kind, error: messageOf(error) });
      if (kind === "hard") this.#arm("stop", clock.stopRetryMs, () => this.#stop());
    });
  }

  /** Ends a backend that could not be started. */
  #giveUp(failure: Failure): void {
    if (this.#isReleased) return;
    this.#context.log("backend.failed", { backend_id: this.id, error: failure });
    this.#failure = failure.message;
    this.#ending ??= { kind: "hard", reason: "internalerror" };
    if (this.#phase === "running") this.#stop();
    else this.#finish(null);
  }

  #finish(exitCode: number | null, otherwise?: TerminationReason): void {
    if (this.#isReleased) return;
    this.#cancelTimers();
    this.#abandon.abort();
    this.#readiness.resolve(false);
    this.#start.resolve(false);
    this.#enter({
      status: "terminated",
      ...(exitCode === null ? {} : { exit_code: exitCode }),
      termination_reason: this.#ending?.reason ?? otherwise,
      termination_kind: this.#ending?.kind,
    });
    this.#end.resolve();
  }

  #enter(report: StatusReport): void {
    const entry = this.#isReleased ? null : nextEntry(this.#history, report, Date.now());
    if (!entry) return;
    this.#history.push(entry);
    this.#context.onStatus(this, entry);
  }

  #cancelTimers(): void {
    this.#timers.cancelAll();
    this.idleness.end();
  }

  #arm(name: TimerName, ms: number, task: () => void): void {
    if (!this.#isReleased && this.status !== "terminated") this.#timers.arm(name, ms, task);
  }
}
