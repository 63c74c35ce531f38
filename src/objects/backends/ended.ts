import { matchesQuery } from "../backend-query.ts";
import type { EndedBackends, EndedRequest } from "./contract.ts";
import type { BackendsState } from "./state.ts";

/** As `BackendsRpc.ended`: reads as many rows as are wanted, and more at a time only while few of them match. */
export function endedBackends(
  state: BackendsState,
  { query, beyond, atMost, lookAtMost, allowedEnvironments }: EndedRequest,
): EndedBackends {
  const backends: EndedBackends["backends"] = [];
  const { leadsBack } = beyond;
  let readTo = beyond.key;
  let looked = 0;
  for (let atOnce = atMost; looked < lookAtMost; atOnce *= 2) {
    const limit = Math.min(atOnce, lookAtMost - looked);
    const records = state.endedBeyond({ key: readTo, leadsBack }, limit);
    looked += records.length;
    for (const { info, history } of records) {
      const status = history.at(-1);
      if (!status) continue;
      readTo = { endedAt: status.time, fencingToken: info.fencingToken };
      const backend = { info, status };
      if (matchesQuery(query, backend, allowedEnvironments)) backends.push(backend);
      if (backends.length === atMost) return { backends, looked, readTo };
    }
    if (records.length < limit) return { backends, looked, readTo: null };
  }
  return { backends, looked, readTo };
}
