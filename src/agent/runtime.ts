import type { Result } from "../domain/result.ts";
import type { SpawnWebhookData } from "../protocol/webhook.ts";

export type RuntimeImage = SpawnWebhookData["image"];

export interface StartSpec {
  backendId: string;
  /** What runs is `image.digest`; the tag is for people to read. */
  image: RuntimeImage;
  /** On top of the image's own environment; `PORT` is added by the runtime, which chooses it. */
  env: Readonly<Record<string, string>>;
  resources: SpawnWebhookData["limits"]["resources"];
  mount: SpawnWebhookData["mount"];
  /** The port to listen on inside a container; a runtime without containers chooses one itself. */
  port: number | undefined;
  /** Told of every line of output, without its end. */
  onOutput(stream: "stdout" | "stderr", line: string): void;
}

/** How a backend's main process ended: one of the two is null. */
export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface Started {
  /** Where on 127.0.0.1 the backend is to answer HTTP. */
  port: number;
  /** Resolves when nothing of the backend runs any more. Never rejects. */
  exited: Promise<Exit>;
}

/** What runs backends. Expected failures are values; a method that throws is treated as `internal_error`. */
export interface Runtime {
  /** Makes a later start of this image quick. `image_not_found` where there is none. */
  pull(image: RuntimeImage, signal: AbortSignal): Promise<Result<null>>;
  /** Starts a backend; called once for an id. A backend that was started ends in `exited`, however it ends. */
  start(spec: StartSpec): Promise<Result<Started>>;
  /** Asks a backend to end (soft) or ends it (hard), its descendants included. Harmless if it has ended. */
  stop(backendId: string, kind: "soft" | "hard"): Promise<void>;
}
