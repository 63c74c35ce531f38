import { rmSync } from "node:fs";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import { lockFile } from "../state/lock.ts";
import { bundleWorker } from "./bundle.ts";
import { type WorkerAnswer, type WorkerStart, workerStart } from "./messages.ts";
import { workerOptions } from "./options.ts";

/*
 * The process that runs the Worker in Miniflare. It is separate because Miniflare ends its process on the first SIGINT,
 * while agents still have ends to report; and because it notices when its parent ends, even by SIGKILL.
 */

const stopAtMostMs = 5_000;

async function runWorker({ port, storageDir, lockPath, bindings }: WorkerStart): Promise<Miniflare> {
  if (!lockFile(lockPath)) throw new Error(`another process has ${lockPath}`);
  const contents = await bundleWorker();
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: "127.0.0.1",
      port,
      // Nothing of where a request comes from: the default is a place in Texas.
      cf: {},
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
let descriptionPath: string | undefined;

// What is printed goes nowhere once the parent is killed, and must not end this process before it has cleaned up.
for (const output of [process.stdout, process.stderr]) output.on("error", () => undefined);

process.once("message", (message) => {
  const start = workerStart.parse(message);
  descriptionPath = start.descriptionPath;
  running = runWorker(start);
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
    // A parent that was killed leaves it. The next start writes it only once this process has ended.
    if (descriptionPath !== undefined) rmSync(descriptionPath, { force: true });
    await (await running)?.dispose();
  } finally {
    process.exit();
  }
});
