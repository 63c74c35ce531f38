import type { Log } from "../log.ts";

/**
 * The control plane's promise not to give this cluster's keys to another backend: made by the answer to a heartbeat,
 * and counted from when that heartbeat was *sent*. Both in milliseconds, on a clock that also goes while the machine
 * sleeps.
 */
export interface Lease {
  sentAtMs: number;
  forMs: number;
}

/** A lease as it is kept for the next start: its times mean something in the boot of the machine that they are of. */
export interface KeptLease extends Lease {
  /** Null where the boot cannot be identified. */
  boot: string | null;
}

export function isHeld(lease: Lease | null, nowMs: number): boolean {
  return lease !== null && nowMs >= lease.sentAtMs && nowMs - lease.sentAtMs < lease.forMs;
}

/** What is held after an answer. Of two heartbeats that overlap the one sent later counts, whichever answer is last. */
export function renewed(lease: Lease | null, answered: Lease): Lease {
  return lease !== null && lease.sentAtMs > answered.sentAtMs ? lease : answered;
}

/** What a restarted agent still holds: nothing after another boot, or where it cannot know. */
export function leaseAfterRestart(kept: KeptLease | null, boot: string | null): Lease | null {
  if (kept === null || boot === null || kept.boot !== boot) return null;
  return { sentAtMs: kept.sentAtMs, forMs: kept.forMs };
}

export interface ClusterLeaseOptions {
  /** What was held when the agent started. */
  lease: Lease | null;
  /** Milliseconds on the clock that the lease is measured with. */
  now(): number;
  /** Keeps a lease for the next start. */
  keep(lease: Lease): void;
}

/** The lease of this agent's cluster. */
export class ClusterLease {
  readonly #options: ClusterLeaseOptions;
  #lease: Lease | null;

  constructor(options: ClusterLeaseOptions) {
    this.#options = options;
    this.#lease = options.lease;
  }

  get held(): boolean {
    return isHeld(this.#lease, this.#options.now());
  }

  /** `none` where no heartbeat was ever answered, or none since a start that could not take the lease over. */
  get state(): "held" | "expired" | "none" {
    if (this.#lease === null) return "none";
    return this.held ? "held" : "expired";
  }

  /** @returns the lease that counts after an answer, which may be an earlier one */
  renew(answered: Lease): Lease {
    this.#lease = renewed(this.#lease, answered);
    this.#options.keep(this.#lease);
    return this.#lease;
  }
}

interface LeaseGuardOptions {
  lease: ClusterLease;
  /** Called whenever it is found that no lease is held: what holds a key must not run on. */
  fence(): void;
  log: Log;
}

/** Fences what the lease guards whenever that is not held. */
export class LeaseGuard {
  readonly #options: LeaseGuardOptions;
  #wasHeld: boolean;

  constructor(options: LeaseGuardOptions) {
    this.#options = options;
    this.#wasHeld = options.lease.held;
  }

  /** Fences where the lease has run out. Call it often. */
  check(): void {
    const { lease, fence, log } = this.#options;
    if (lease.held) return;
    if (this.#wasHeld) log("lease.lost");
    this.#wasHeld = false;
    fence();
  }

  /**
   * Takes the answer to a heartbeat. It does not mend a lease that had run out before: what that guarded is fenced
   * first.
   */
  renew(answered: Lease): void {
    const { lease, log } = this.#options;
    this.check();
    const { forMs } = lease.renew(answered);
    if (lease.held && !this.#wasHeld) {
      this.#wasHeld = true;
      log("lease.held", { for_ms: forMs });
    }
  }
}
