import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import { bundleWorker } from "./bundle.ts";
import { type WorkerAnswer, type WorkerStart, workerStart } from "./messages.ts";
import { workerOptions } from "./options.ts";

/*
 * The process that runs the Worker in Miniflare. It is separate because Miniflare ends its process on the first SIGINT,
 * while agents still have ends to report; and because it notices when its parent ends, even by SIGKILL.
 */

const stopAtMostMs = 5_000;

async function runWorker({ port, storageDir, bindings }: WorkerStart): Promise<Miniflare> {
  const contents = await bundleWorker();
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: "127.0.0.1",
      port,
      cf: false,
      telemetry: { enabled: false },
      log: new Log(LogLevel.WARN),
      resourcePersistencePath: storageDir,
      workers: [
        {
          name: "slipway",
          modules: [{ type: "ESModule", path: "worker.js", contents }],
          bindings,
          ...workerOptions,
        },
      ],
    }),
  );
  await miniflare.ready;
  return miniflare;
}

function send(answer: WorkerAnswer): void {
  process.send?.(answer);
}

let running: Promise<Miniflare> | undefined;

process.once("message", (message) => {
  running = runWorker(workerStart.parse(message));
  running.then(
    () => send({ type: "ready" }),
    (error: unknown) =>
      send({ type: "failed", message: error instanceof Error ? error.message : String(error) }),
  );
});

process.once("disconnect", async () => {
  // Storage is durable at any instant, so that exiting loses nothing; workerd ends with Miniflare.
  setTimeout(() => process.exit(), stopAtMostMs);
  try {
    await (await running)?.dispose();
  } finally {
    process.exit();
  }
});
