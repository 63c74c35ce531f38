import type { Connection } from "../../contract.ts";

/** What the record of a connect is about: a caller must be permitted the environment to be answered from it. */
type ReplaySubject = Pick<Connection, "environment" | "backendId">;

/** The subject as the record keeps it. */
export function replaySubject({ environment, backendId }: ReplaySubject): string {
  return `${environment}/${backendId}`;
}

/** Reads what `replaySubject` made. */
export function parseReplaySubject(text: string): ReplaySubject {
  const [environment = "", backendId = ""] = text.split("/");
  return { environment, backendId };
}
