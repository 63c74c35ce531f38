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
