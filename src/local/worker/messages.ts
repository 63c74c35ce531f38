import { z } from "zod";

/** What the Worker's process is told, once, over its IPC channel. The end of the channel tells it to stop. */
export const workerStart = z.object({
  port: z.int(),
  /** Where the Durable Objects keep their databases. */
  storageDir: z.string(),
  bindings: z.record(z.string(), z.string()),
});
export type WorkerStart = z.infer<typeof workerStart>;

/** What it says of it, once. */
export const workerAnswer = z.discriminatedUnion("type", [
  z.object({ type: z.literal("ready") }),
  z.object({ type: z.literal("failed"), message: z.string() }),
]);
export type WorkerAnswer = z.infer<typeof workerAnswer>;
