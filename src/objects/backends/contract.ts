import type { EndedFrom, EndPosition } from "../../domain/backends/ended-pages.ts";
import type { Result } from "../../domain/result.ts";
import type { StatusReportAnswer, StatusReportBody } from "../../protocol/v3/agent.ts";
import type { BackendQuery } from "../../protocol/v3/backends.ts";
import type { BackendRecord, BackendWithStatus } from "../service/contract.ts";

/** What is asked of a shard for a page of ended backends. */
export interface EndedRequest {
  query: BackendQuery;
  /** Where the page begins, or how far this shard was read for it. */
  beyond: Pick<EndedFrom, "key" | "leadsBack">;
  /** How many are wanted. */
  atMost: number;
  /** How many rows may be read for that, whatever the query matches. */
  lookAtMost: number;
  allowedEnvironments?: readonly string[] | undefined;
}

/** What a shard has of a page of ended backends. */
export interface EndedBackends {
  /** The last end first or, leading back, the first. */
  backends: BackendWithStatus[];
  /** How many rows it read for them. */
  looked: number;
  /** How far it looked; null where there are no more. */
  readTo: EndPosition | null;
}

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
  /** Ended backends of this shard that a query matches, beyond a position and nearest to it. */
  ended(request: EndedRequest): Promise<EndedBackends>;
  /** From the Service object: how far it knows a backend to be, by a step that it took itself. */
  record(backend: BackendRecord): Promise<Result<null>>;
}
