import { procTable } from "./proc-table.ts";
import type { ProcessTable } from "./process-table.ts";
import { psTable } from "./ps-table.ts";

/** The processes of the machine that this program runs on. */
export function processTable(): ProcessTable {
  return process.platform === "linux" ? procTable() : psTable();
}
