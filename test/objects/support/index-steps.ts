import fc from "fast-check";
import type { ServiceState } from "../../../src/objects/service/state.ts";

/** What follows a write, in its transaction and with that. */
export const afterWrite = fc.constantFrom("look", "go on", "roll back", "look and roll back");

class RolledBack extends Error {}

/** Writes in a transaction, which is kept or rolled back, and compares an index with its table where it is to be looked at. */
export function writeAndCompare(
  state: ServiceState,
  after: "look" | "go on" | "roll back" | "look and roll back",
  write: () => unknown,
  compare: () => void,
): void {
  try {
    state.db.transaction(() => {
      write();
      if (after.includes("look")) compare();
      if (after.includes("roll back")) throw new RolledBack();
    });
  } catch (error) {
    if (!(error instanceof RolledBack) && !String(error).includes("SQLITE_FULL")) throw error;
  }
  if (after !== "go on") compare();
}
