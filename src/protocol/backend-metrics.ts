import { z } from "zod";

const amount = z.number().nonnegative();

/**
 * One sample of what a backend uses, as its cluster streams it: a JSON object for each event
 * (src/protocol/README.md, "Output streams").
 */
export const usageSample = z.object({
  mem_used: amount.describe("Bytes"),
  mem_available: amount.describe("Bytes that it may still use"),
  cpu_used: amount.describe("Processor time since the sample before; divided by sys_cpu, the share used"),
  sys_cpu: amount.describe("Processor time of the whole machine in that time, in the same unit"),
});
export type UsageSample = z.infer<typeof usageSample>;

/** The same as the API streams it: with the cluster and the backend that it is from. */
export const backendMetrics = usageSample.extend({ cluster: z.string(), backend_id: z.string() });
