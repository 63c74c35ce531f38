import { z } from "zod";

/** The one message to the Worker's process, over its IPC channel. It stops when the channel closes. */
export const workerStart = z.object({
  port: z.int(),
  /** Where the Durable Objects keep their databases. */
  storageDir: z.string(),
  /** Locked for as long as this process may use the storage and the port (`lockFile`). */
  lockPath: z.string(),
  /** What describes the deployment: removed here where the parent was killed before it could. */
  descriptionPath: z.string(),
  bindings: z.record(z.string(), z.string()),
});
export type WorkerStart = z.infer<typeof workerStart>;

/** Its one answer. */
export const workerAnswer = z.discriminatedUnion("type", [
  z.object({ type: z.literal("ready") }),
  z.object({ type: z.literal("failed"), message: z.string() }),
]);
export type WorkerAnswer = z.infer<typeof workerAnswer>;
