import { vi } from "vitest";
import { z } from "zod";

const failureLine = z.strictObject({
  event: z.enum(["unreached", "budget_spent", "storage_full", "unclassified_error", "recovered"]),
  where: z.string(),
  what: z.string(),
  failures: z.number(),
  since: z.iso.datetime(),
  error: z.string().optional(),
  stack: z.string().optional(),
});

/** Takes what is logged from now on, until mocks are restored. @returns what reads the lines of objects' failures so far */
export function failureLines(): () => z.infer<typeof failureLine>[] {
  const taken: unknown[] = [];
  for (const method of ["log", "error"] as const) {
    vi.spyOn(console, method).mockImplementation((...args: unknown[]) => {
      taken.push(args[0]);
    });
  }
  return () =>
    taken.flatMap((line) =>
      typeof line === "string" && line.startsWith('{"event":') ? [failureLine.parse(JSON.parse(line))] : [],
    );
}
