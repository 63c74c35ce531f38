import type { Result } from "../../domain/result.ts";
import type { StatusReportAnswer, StatusReportBody } from "../../protocol/v3/agent.ts";
import type { BackendQuery } from "../../protocol/v3/backends.ts";
import type { BackendRecord, BackendWithStatus } from "../service/contract.ts";

/**
 * One shard of a service's backends. Beside these methods it serves `GET /follow/<backend id>` with a WebSocket
 * upgrade: each message is one `StatusEntry` as JSON, the history first; it closes after `terminated`.
 */
export interface BackendsRpc {
  describe(account: string, service: string, backendId: string): Promise<Result<BackendRecord>>;
  /** An agent's report. `backend_not_found` if the backend is not one of `cluster`. */
  report(
    account: string,
    service: string,
    cluster: string,
    backendId: string,
    report: StatusReportBody,
  ): Promise<Result<StatusReportAnswer>>;
  /** Ended backends of this shard with a fencing token below `before`, newest first. */
  ended(
    query: BackendQuery,
    before: number,
    allowedEnvironments?: readonly string[],
  ): Promise<BackendWithStatus[]>;
  /** From the Service object: how far it knows a backend to be, by a step that it took itself. */
  record(backend: BackendRecord): Promise<Result<null>>;
}
