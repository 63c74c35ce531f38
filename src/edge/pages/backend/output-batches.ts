import type { OutputLines } from "../../streams/backend-output.ts";

/** Lines that arrive within this time are one batch. */
const gatherMs = 200;

/** Batches of output lines. Reads at most one chunk ahead of `next`. */
export interface OutputBatches {
  /** The next batch, cut to its newest lines: at least one line, or null at the end. */
  next(): Promise<string[] | null>;
  cancel(reason?: unknown): Promise<void>;
}

/** @param maxLines of a batch; older lines are dropped */
export function outputBatches(lines: OutputLines, maxLines: number): OutputBatches {
  /** The read that is pending, or done and not yet consumed. */
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
