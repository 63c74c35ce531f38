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
  /** Called whenever the lease is found to be lost: backends that hold keys must be killed. */
  fence(): void;
  log: Log;
}

/** Fences whenever the lease is not held. */
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
   * Renews the lease by the answer to a heartbeat. If it had expired before, fences first.
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
