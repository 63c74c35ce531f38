import type { OutputLines } from "../../streams/backend-output.ts";

/** Lines that come within this time are shown at once. */
const gatherMs = 200;

/** Lines of output, gathered. Reads at most one chunk ahead of `next`. */
export interface OutputBatches {
  /** The newest of the lines that came at about the same time: at least one, or null at the end. */
  next(): Promise<string[] | null>;
  cancel(reason?: unknown): Promise<void>;
}

/** @param maxLines of more lines that come at about the same time, the newest are given */
export function outputBatches(lines: OutputLines, maxLines: number): OutputBatches {
  /** The read that is under way, or done and not taken yet. */
  let pending: Promise<string[] | null> | undefined;

  return {
    async next() {
      let gathered: string[] = [];
      let timer: ReturnType<typeof setTimeout> | null = null;
      let late: Promise<"late"> | undefined;
      try {
        for (;;) {
          pending ??= lines.next();
          const chunk = await (late ? Promise.race([pending, late]) : pending);
          if (chunk === "late") return gathered;
          if (chunk === null) return gathered.length > 0 ? gathered : null;
          pending = undefined;
          gathered = [...gathered, ...chunk].slice(-maxLines);
          if (gathered.length > 0 && !late) {
            late = new Promise((resolve) => {
              timer = setTimeout(() => resolve("late"), gatherMs);
            });
          }
        }
      } finally {
        clearTimeout(timer);
      }
    },
    cancel: (reason) => lines.cancel(reason),
  };
}
