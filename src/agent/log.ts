/** Logs an event with its fields. Never pass a token, a secret or an env value. */
export type Log = (event: string, fields?: Readonly<Record<string, unknown>>) => void;

/** One JSON line an event. @param write takes a whole line, its end included */
export function jsonLog(write: (line: string) => void): Log {
  return (event, fields = {}) => {
    write(`${JSON.stringify({ time: new Date().toISOString(), event, ...fields })}\n`);
  };
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether an error is the one of Node's that has this code, such as ENOENT. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

/** SQLite's codes for a disk without room (SQLITE_FULL), and for a write that failed (SQLITE_IOERR_WRITE), as one beyond a quota does. */
const sqliteFullCodes = [13, 778];

/** Whether an error says that there is no room on the disk, or no more for this user. */
export function isDiskFull(error: unknown): boolean {
  if (hasCode(error, "ENOSPC") || hasCode(error, "EDQUOT")) return true;
  return (
    error instanceof Error && "errcode" in error && sqliteFullCodes.some((code) => code === error.errcode)
  );
}
