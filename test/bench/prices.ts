import type { Usage } from "./counts.ts";

/** List prices of Workers Paid in US dollars per million, as of November 2026, beyond what the plan includes. */
const workerRequestsPerMillion = 0.3;
const objectRequestsPerMillion = 0.15;
const rowsReadPerMillion = 0.001;
const rowsWrittenPerMillion = 1;

/** US dollars for a million lives. The objects' duration, the Worker's CPU time and storage are not in it. */
export function dollarsPerMillion(usage: Usage): number {
  return (
    usage.workerRequests * workerRequestsPerMillion +
    usage.objectRequests * objectRequestsPerMillion +
    usage.rowsRead * rowsReadPerMillion +
    usage.rowsWritten * rowsWrittenPerMillion
  );
}
