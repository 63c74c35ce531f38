import { z } from "zod";

/** The messages of the load generator's process: it receives one and sends one. */
export const loadRequest = z.object({
  method: z.enum(["GET", "POST", "PUT"]),
  path: z.string(),
  headers: z.record(z.string(), z.string()),
  body: z.string().optional(),
});
export type LoadRequest = z.infer<typeof loadRequest>;

export const loadPlan = z.object({
  origin: z.string(),
  connections: z.int().positive(),
  warmUpMs: z.number().nonnegative(),
  measureMs: z.number().positive(),
  /** Sent in turn, over and over. */
  requests: z.array(loadRequest).min(1),
});
export type LoadPlan = z.infer<typeof loadPlan>;

export const loadResult = z.object({
  /** Including those of the warm-up and those answered too late to be measured. */
  sent: z.int(),
  perSecond: z.number(),
  p50Ms: z.number(),
  p99Ms: z.number(),
});
export type LoadResult = z.infer<typeof loadResult>;

export const loadAnswer = z.union([z.object({ result: loadResult }), z.object({ problem: z.string() })]);
export type LoadAnswer = z.infer<typeof loadAnswer>;
