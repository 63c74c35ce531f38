import { type Log, messageOf } from "../log.ts";

/**
 * The control plane's promise not to give this cluster's keys to another backend: made by the answer to a heartbeat,
 * and counted from when that heartbeat was *sent*. Both in milliseconds, on a clock that also goes while the machine
 * sleeps.
 */
export interface Lease {
  sentAtMs: number;
  forMs: number;
}

/** A persisted lease. Its times are valid only within the boot of the machine that it names. */
export interface KeptLease extends Lease {
  /** Null where the boot cannot be identified. */
  boot: string | null;
}

export function isHeld(lease: Lease | null, nowMs: number): boolean {
  return lease !== null && nowMs >= lease.sentAtMs && nowMs - lease.sentAtMs < lease.forMs;
}

/** The lease after an answer. Of overlapping heartbeats the one sent later wins, whichever is answered last. */
export function renewed(lease: Lease | null, answered: Lease): Lease {
  return lease !== null && lease.sentAtMs > answered.sentAtMs ? lease : answered;
}

/** The lease that a restarted agent still holds: none after a reboot, or where that is unknown. */
export function leaseAfterRestart(kept: KeptLease | null, boot: string | null): Lease | null {
  if (kept === null || boot === null || kept.boot !== boot) return null;
  return { sentAtMs: kept.sentAtMs, forMs: kept.forMs };
}

/** What backends need of the lease. */
export interface KeyLease {
  /**
   * Whether what has a key may run, looked up at this moment: a process that was frozen finds nothing that was remembered.
   * Where it is not held, what holds a key is being ended when this returns.
   */
  check(): boolean;
  /** Whether a backend with a key may be taken on. */
  grants(): boolean;
}

export interface ClusterLeaseOptions {
  /** What was held when the agent started. */
  lease: Lease | null;
  /** Milliseconds on the clock that the lease is measured with. */
  now(): number;
  /** Keeps a lease, for the next start and for those who watch it from outside. Throws where it is not kept. */
  keep(lease: Lease): void;
  /** Ends the backends that hold keys. Called at every look that does not find the lease held. */
  fence(): void;
  /** Whether something that was to be ended so may still run. */
  isFencing(): boolean;
  log: Log;
}

/**
 * The lease of this agent's cluster. It is kept anew only once everything that was fenced has ended: what is kept is
 * then expired for as long as such a backend runs, and whoever watches it, or the next start, ends that too.
 */
export class ClusterLease implements KeyLease {
  readonly #options: ClusterLeaseOptions;
  #lease: Lease | null;
  /** What this process has kept: what watchers go by. */
  #kept: Lease | null = null;
  #wasHeld: boolean;

  constructor(options: ClusterLeaseOptions) {
    this.#options = options;
    this.#lease = options.lease;
    this.#wasHeld = this.#isHeld;
  }

  /** `none` where no heartbeat was ever answered, or none since a start that could not take the lease over. */
  get state(): "held" | "expired" | "none" {
    if (this.#lease === null) return "none";
    return this.check() ? "held" : "expired";
  }

  check(): boolean {
    if (this.#isHeld) return true;
    if (this.#wasHeld) this.#options.log("lease.lost");
    this.#wasHeld = false;
    this.#options.fence();
    return false;
  }

  grants(): boolean {
    return this.check() && this.#keep();
  }

  /** Renews it by the answer to a heartbeat. If it had expired before, fences first. */
  renew(answered: Lease): void {
    this.check();
    this.#lease = renewed(this.#lease, answered);
    this.#keep();
    if (this.#isHeld && !this.#wasHeld) {
      this.#wasHeld = true;
      this.#options.log("lease.held", { for_ms: this.#lease.forMs });
    }
  }

  get #isHeld(): boolean {
    return isHeld(this.#lease, this.#options.now());
  }

  /** @returns whether the lease that is held is also the one that is kept */
  #keep(): boolean {
    const { isFencing, keep, log } = this.#options;
    if (this.#lease === null || isFencing()) return false;
    if (this.#kept === this.#lease) return true;
    try {
      keep(this.#lease);
      this.#kept = this.#lease;
      return true;
    } catch (error) {
      log("lease.not_kept", { error: messageOf(error) });
      return false;
    }
  }
}
