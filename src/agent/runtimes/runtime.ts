import type { PresentImage } from "../../domain/disk/image-collection.ts";
import type { Result } from "../../domain/result.ts";
import type { SpawnWebhookData } from "../../protocol/webhooks/webhook.ts";

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
  /** What the backend is, for people and tools that look at what runs: shown where the runtime has a place for it. */
  labels: Readonly<Record<string, string>>;
  /**
   * Whether it may run at the moment of the call; left out of what holds no key. Call it right before what starts it, with
   * nothing to wait for in between: where it may not run, the start fails.
   */
  mayRun?: () => boolean;
}

/** Where something is reached over TCP. */
export interface Address {
  /** An IP address. */
  host: string;
  port: number;
}

/** A backend that was started. */
export interface Started {
  /** Where this machine reaches it over HTTP. Of a backend that has ended the port may be 0. */
  address: Address;
  /**
   * Resolves when nothing of the backend runs any more, to its exit code: 128 and the signal's number where a signal
   * ended it, null where it is unknown. Never rejects.
   */
  exited: Promise<number | null>;
}

/** A backend that the runtime has from before: it runs, or it has ended and was not removed. */
export interface Found extends Started {
  backendId: string;
}

/** What a backend used since the sample before. */
export interface Usage {
  memoryUsedBytes: number;
  /** What it may still use. */
  memoryAvailableBytes: number;
  /** Processor time of the backend and of the whole machine, in one unit: their quotient is the share used. */
  cpuUsed: number;
  systemCpu: number;
}

/** How the guard ends backends with keys (src/agent/guard): what it finds them by. */
export type GuardedRuntime =
  /** In folders below this one, as the process runtime keeps them. */
  | { kind: "processes"; dir: string }
  /** In containers of this scope, of an engine that this machine has. */
  | { kind: "docker"; scope: string; engine: { socketPaths: string[] } | { host: string; port: number } };

/** What ends backends with keys where the agent does not, once the lease has run out. */
export interface Fencing {
  /** Null where the guard cannot reach them. */
  guarded: GuardedRuntime | null;
  /** Whether each of them watches the lease itself. */
  watchesLease: boolean;
}

/** The images of a runtime, for the agent to remove them when the disk fills (src/agent/disk). */
export interface RuntimeImages {
  /** What an image is called here: the same for all that have one content. */
  nameOf(image: Pick<RuntimeImage, "repository" | "digest">): string;
  /** A folder of the disk that images take; null where that is not known, such as of an engine on another machine. */
  folder(): Promise<string | null>;
  /** Those of these names that are here, in whole or in part. */
  list(names: readonly string[]): Promise<PresentImage[]>;
  /**
   * Removes an image. Nothing starts from it meanwhile, and what others share with it stays.
   * @param kept the names of all others, at the moment of the call: some may be being pulled
   * @returns false where it is used by somebody, and stays
   */
  remove(name: string, kept: () => Iterable<string>): Promise<boolean>;
  /** Removes what is of no image, where that can only be this agent's: of pulls that broke off, of images long forgotten. */
  clear(kept: () => Iterable<string>): Promise<void>;
}

/**
 * What runs backends. It keeps a started backend, its output and its exit code until `remove`, and beyond the end of
 * this process, a crash included: a new runtime over the same place finds them in `list`. Expected failures
 * are values; a method that throws is treated as `internal_error`.
 */
export interface Runtime {
  readonly fencing: Fencing;
  readonly images: RuntimeImages;
  /**
   * Makes a later start of this image quick. `image_not_found` where there is none.
   * @param claim called before anything of it is pulled where it is not here yet: from then on it is this agent's to remove
   */
  pull(image: RuntimeImage, signal: AbortSignal, claim?: () => void): Promise<Result<null>>;
  /** Starts a backend that is not in `list`. A failure leaves nothing running. */
  start(spec: StartSpec): Promise<Result<Started>>;
  /** Signals a backend to end (soft) or kills it (hard), its descendants included. Harmless if it has ended. */
  stop(backendId: string, kind: "soft" | "hard"): Promise<void>;
  /** Every backend that was started here and not removed. */
  list(): Promise<Found[]>;
  /** Forgets a backend that has ended, its output included. Harmless for one that is not there. */
  remove(backendId: string): Promise<void>;
  /**
   * Removes what is left here of this agent's: of ended backends that are not known, and of starts and removals that broke
   * off. What runs stays. @param isClosing also what the next start makes anew, where nothing uses it
   */
  clear(options: { isKnown: (backendId: string) => boolean; isClosing?: boolean }): Promise<void>;
  /**
   * The lines of a backend's output, both streams in order, as far back as they are kept and then as they are
   * printed. Ends when the backend has ended, the signal is aborted or nothing is known of the backend. Reads no
   * further than the consumer does.
   */
  logs(backendId: string, signal: AbortSignal): AsyncIterable<string>;
  /** A sample about every second, the first after about one. Ends as `logs` does. */
  stats(backendId: string, signal: AbortSignal): AsyncIterable<Usage>;
}
