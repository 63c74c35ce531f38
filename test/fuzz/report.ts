import { z } from "zod";

/** What is read of the report that Schemathesis writes as JSON (`--report json`). */
export const fuzzReport = z.object({
  running_time: z.number(),
  operations: z.object({ total: z.int(), tested: z.int() }),
  test_cases: z.object({ generated: z.int() }),
  failures: z.array(z.object({ title: z.string(), count: z.int(), operations: z.array(z.string()) })),
  errors: z.array(z.object({ title: z.string(), count: z.int() })),
  /** By operation and phase. */
  valid_rates: z.record(z.string(), z.record(z.string(), z.object({ accepted: z.int() }))),
});
export type FuzzReport = z.infer<typeof fuzzReport>;

/** The operations of which at least one request was accepted. */
export function acceptedOf({ valid_rates }: FuzzReport): string[] {
  return Object.entries(valid_rates).flatMap(([operation, phases]) =>
    Object.values(phases).some(({ accepted }) => accepted > 0) ? [operation] : [],
  );
}

/** What was found, one line each; empty where all is well. */
export function findingsOf({ failures, errors }: FuzzReport): string[] {
  return [
    ...failures.map(({ title, count, operations }) => `${title}: ${count} times: ${operations.join(", ")}`),
    ...errors.map(({ title, count }) => `${title}: ${count} times`),
  ];
}
