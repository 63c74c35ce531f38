import { endedReadForPage } from "../../domain/limits.ts";
import type { BackendQuery } from "../../protocol/v3/backends.ts";
import { matchesQuery } from "../backend-query.ts";
import type { EndedBackends, EndPosition } from "./contract.ts";
import type { BackendsState } from "./state.ts";

const readAtOnce = 200;

/** As `BackendsRpc.ended`: reads rows until the page is full, so that no filter has the whole shard in memory. */
export function endedBackends(
  state: BackendsState,
  query: BackendQuery,
  before: EndPosition,
  allowedEnvironments: readonly string[] | undefined,
): EndedBackends {
  const backends: EndedBackends["backends"] = [];
  let readTo = before;
  for (let read = 0; read < endedReadForPage; read += readAtOnce) {
    const records = state.endedBefore(readTo, readAtOnce);
    for (const { info, history } of records) {
      const status = history.at(-1);
      if (!status) continue;
      readTo = { endedAt: status.time, fencingToken: info.fencingToken };
      const backend = { info, status };
      if (matchesQuery(query, backend, allowedEnvironments)) backends.push(backend);
      if (backends.length > query.limit) return { backends, readTo };
    }
    if (records.length < readAtOnce) return { backends, readTo: null };
  }
  return { backends, readTo };
}
