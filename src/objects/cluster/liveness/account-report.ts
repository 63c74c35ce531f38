import { isDraining } from "../../../domain/backends/lease.ts";
import { heartbeatVerdictWaitMs } from "../../../domain/limits.ts";
import type { Result } from "../../../domain/result.ts";
import { inTime } from "../../failures/in-time.ts";
import type { ClusterPorts } from "../ports.ts";

/**
 * Reports to the account what every service has to know of the cluster: whether it takes new backends, and what frees its
 * keys. One call at a time, so that the last one is what stands.
 */
export class AccountReport {
  readonly #ports: Pick<ClusterPorts, "state" | "failures" | "account">;
  #sending: Promise<void> | null = null;

  constructor(ports: Pick<ClusterPorts, "state" | "failures" | "account">) {
    this.#ports = ports;
  }

  /**
   * Reports what the account does not know, or joins the report under way; a heartbeat does not wait long for it.
   * @returns false where it is to be repeated
   */
  async send(): Promise<boolean> {
    const sent = await this.#ports.failures.attempt("report to the account", () => {
      this.#sending ??= this.#report().finally(() => {
        this.#sending = null;
      });
      return inTime(this.#sending, heartbeatVerdictWaitMs);
    });
    return sent !== null;
  }

  async #report(): Promise<void> {
    const { state, account } = this.#ports;
    for (;;) {
      const row = state.sql.cluster();
      const now = Date.now();
      if (!row) return;
      const draining = isDraining(state.agents.alive(now), now);
      const fence = state.agents.fence();
      const isOpen = row.is_report_open === 1;
      const isFenceNew = isOpen || fence !== row.told_fence;
      const isDrainingNew = isOpen || draining !== (row.told_draining === 1);
      if (!isFenceNew && !isDrainingNew) return;
      const { name, registration } = row;
      state.sql.openReport(registration);
      if (isFenceNew) taken(await account(row.account).setClusterFence(name, registration, fence));
      if (isDrainingNew) taken(await account(row.account).setClusterDraining(name, registration, draining));
      state.sql.setReported(registration, { fence, draining });
    }
  }
}

/** A registration that the account has ended takes no new backends: there is nothing left to report. */
function taken(set: Result<null>): void {
  if (!set.ok && set.error.code !== "cluster_not_found") {
    throw new Error(`the account refused to take it: ${set.error.code}: ${set.error.message}`);
  }
}
