import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as elapse } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Log, messageOf } from "../log.ts";
import { processTable } from "../runtimes/process/machine-processes.ts";
import type { GuardedRuntime } from "../runtimes/runtime.ts";
import { lastTurn, readAlive, writePlan } from "./guard-files.ts";

const program = fileURLToPath(new URL("./guard.ts", import.meta.url));

const lookEveryMs = 1_000;
/** How many looks in a row find no turn of a guard: it takes one each second, or after the 6 s that an engine gets at most. */
const silentLooks = { ofDead: 3, ofFrozen: 15 };
const startAgainFirstMs = 1_000;
const startAgainLongestMs = 60_000;
const endWithinMs = 5_000;
const endPollMs = 20;
/** The exit code of a guard that has found another one. */
const notNeeded = 3;

export interface GuardKeeperOptions {
  stateDir: string;
  runtime: GuardedRuntime;
  /** What starts this agent, for the guard to start it again; empty where something else does. */
  command: readonly string[];
  /** Called when it becomes known that there is a guard, or that there is none. */
  onChange(): void;
  log: Log;
}

/** Sees to it that this agent has a guard (guard.ts), which outlives it. */
export class GuardKeeper {
  readonly #options: GuardKeeperOptions;
  readonly #folder: string;
  #looks: NodeJS.Timeout | undefined;
  #isAlive = false;
  /** What the guard is to know of a stop, and whether that is written down. */
  #stopped: "end" | "keep" | null = null;
  #isPlanned = false;
  #lastTurn: number | null = null;
  #silent = 0;
  #startsAgain: NodeJS.Timeout | undefined;
  #delayMs = startAgainFirstMs;
  #isClosed = false;

  constructor(options: GuardKeeperOptions) {
    this.#options = options;
    this.#folder = join(options.stateDir, "guard");
  }

  /** Whether a guard has taken a turn not long ago, and knows what to guard. */
  get isAlive(): boolean {
    return this.#isAlive && this.#isPlanned;
  }

  /** Starts a guard unless one is there, and from then on whenever there is none. A failure is only logged. */
  start(): void {
    this.#lastTurn = lastTurn(this.#folder);
    void this.#attempt(() => this.#plan(null));
    this.#looks = setInterval(() => void this.#attempt(() => this.#look()), lookEveryMs);
    void this.#attempt(() => this.#startUnlessThere());
  }

  /** From now on the guard does not start this agent again: it was stopped, even if it does not come to its end. */
  announceStop(): void {
    void this.#attempt(() => this.#plan("keep"));
  }

  /** `keep` leaves it to watch what this agent leaves; `end` ends it, unless it has a supervisor. */
  async close(what: "end" | "keep"): Promise<void> {
    this.leave(what);
    await this.#attempt(async () => {
      if (what === "end" && readAlive(this.#folder)?.is_supervised === false) await this.#end();
    });
  }

  /** As `close`, for a process that ends at once: a guard that is to end does so at its next turn. */
  leave(what: "end" | "keep"): void {
    clearInterval(this.#looks);
    clearTimeout(this.#startsAgain);
    this.#isClosed = true;
    void this.#attempt(() => this.#plan(what));
  }

  #plan(stopped: "end" | "keep" | null): void {
    this.#stopped = stopped;
    this.#isPlanned = false;
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    writePlan(this.#folder, { runtime: this.#options.runtime, agent_pid: process.pid, stopped });
    this.#isPlanned = true;
  }

  /** What could not be written down, as on a full disk, is tried again. */
  #planAgain(): void {
    this.#plan(this.#stopped);
    if (this.#isAlive) this.#options.onChange();
  }

  async #look(): Promise<void> {
    if (!this.#isPlanned) void this.#attempt(() => this.#planAgain());
    const turn = lastTurn(this.#folder);
    if (turn !== this.#lastTurn) {
      this.#lastTurn = turn;
      this.#silent = 0;
      this.#delayMs = startAgainFirstMs;
      this.#enter(turn !== null);
      return;
    }
    this.#silent++;
    if (this.#silent % silentLooks.ofDead !== 0) return;
    const isThere = await this.#signal(this.#silent < silentLooks.ofFrozen ? undefined : "SIGKILL");
    if (isThere || this.#isClosed) return;
    this.#enter(false);
    this.#startLater();
  }

  #enter(isAlive: boolean): void {
    if (this.#isAlive === isAlive) return;
    this.#isAlive = isAlive;
    this.#options.log(isAlive ? "guard.found" : "guard.lost", { pid: readAlive(this.#folder)?.pid });
    this.#options.onChange();
  }

  /** Ends one of another version first. */
  async #startUnlessThere(): Promise<void> {
    if (await this.#signal()) {
      if (readAlive(this.#folder)?.program === hashOfProgram()) {
        if (Date.now() - (this.#lastTurn ?? 0) < silentLooks.ofDead * lookEveryMs) this.#enter(true);
        return;
      }
      this.#options.log("guard.replaced");
      await this.#end();
    }
    this.#start();
  }

  async #end(): Promise<void> {
    const giveUpAt = performance.now() + endWithinMs;
    while ((await this.#signal("SIGTERM")) && performance.now() < giveUpAt) await elapse(endPollMs);
  }

  #startLater(): void {
    if (this.#startsAgain !== undefined || this.#isClosed) return;
    this.#startsAgain = setTimeout(() => {
      this.#startsAgain = undefined;
      void this.#attempt(() => this.#start());
    }, this.#delayMs).unref();
    this.#delayMs = Math.min(2 * this.#delayMs, startAgainLongestMs);
  }

  #start(): void {
    const { stateDir, command, log } = this.#options;
    const args = [program, resolve(stateDir), "for-agent", ...command];
    const child = spawn(process.execPath, args, { detached: true, stdio: "ignore" });
    child.unref();
    child.once("spawn", () => log("guard.started", { pid: child.pid }));
    child.once("error", (error) => {
      log("guard.not_started", { error: error.message });
      this.#startLater();
    });
    child.once("exit", (code, signal) => {
      if (code === notNeeded || this.#isClosed) return;
      log("guard.ended", { pid: child.pid, exit_code: code, signal });
      this.#enter(false);
      this.#startLater();
    });
  }

  /** @returns whether the process of the last guard is there. @param signal sent to it, where one is given */
  async #signal(signal?: NodeJS.Signals): Promise<boolean> {
    const guard = readAlive(this.#folder);
    if (guard === null || (await processTable().identify(guard.pid)) !== guard.identity) return false;
    if (signal !== undefined) process.kill(guard.pid, signal);
    return true;
  }

  async #attempt(action: () => void | Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      this.#options.log("guard.failed", { error: messageOf(error) });
    }
  }
}

function hashOfProgram(): string {
  return createHash("sha256").update(readFileSync(program)).digest("hex");
}
