import { isDraining } from "../../../domain/backends/lease.ts";
import { heartbeatVerdictWaitMs } from "../../../domain/limits.ts";
import { inTime } from "../../failures/in-time.ts";
import type { ClusterPorts } from "../ports.ts";

/** Reports to the account whether the cluster takes new backends: one call at a time, so that the last one is what stands. */
export class DrainingReport {
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
    const sent = await this.#ports.failures.attempt("report draining to the account", () => {
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
      const draining = isDraining(state.agents.alive(now), now);
      if (!row || draining === (row.told_draining === 1)) return;
      const set = await account(row.account).setClusterDraining(row.name, row.registration, draining);
      // A registration that the account has ended takes no new backends: there is nothing left to report.
      if (!set.ok && set.error.code !== "cluster_not_found") {
        throw new Error(`the account refused to take it: ${set.error.code}: ${set.error.message}`);
      }
      state.sql.setReportedDraining(row.registration, draining);
    }
  }
}
