import { z } from "zod";

const amount = z.number().nonnegative();

/** What a cluster tells of a backend's use: one JSON object an event (WIRE: logs and metrics). */
export const usageSample = z.object({
  mem_used: amount.describe("Bytes"),
  mem_available: amount.describe("Bytes that it may still use"),
  cpu_used: amount.describe("Processor time since the sample before; divided by sys_cpu, the share used"),
  sys_cpu: amount.describe("Processor time of the whole machine in that time, in the same unit"),
});
export type UsageSample = z.infer<typeof usageSample>;

/** The same as the API tells it. */
export const backendMetrics = usageSample.extend({ cluster: z.string(), backend_id: z.string() });
