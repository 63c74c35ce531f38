import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as elapse } from "node:timers/promises";
import { fail, ok, type Result } from "../../../domain/result.ts";
import { messageOf } from "../../log.ts";
import { freePort } from "../free-port.ts";
import type { Runtime, RuntimeImage, RuntimeImages, Started, StartSpec } from "../runtime.ts";
import { BackendFolder, type BackendRecord, clearOrphans, readBackendFolders } from "./backend-folder.ts";
import { findProgram } from "./find-program.ts";
import type { LocalImage } from "./images/image-command.ts";
import type { ImageCommands } from "./images/image-store.ts";
import { noImages } from "./images/kept-images.ts";
import { type HeldShell, holdShell, type WatchedLease } from "./launch.ts";
import { processTable } from "./machine-processes.ts";
import { ProcessBackend } from "./process-backend.ts";
import type { ProcessTable } from "./process-table.ts";
import { usageOfGroup } from "./usage.ts";

export interface ProcessRuntimeOptions {
  images: ImageCommands;
  /** What `images` keeps on the disk; nothing where it is left out. */
  keptImages?: RuntimeImages;
  /** What is kept of backends. Belongs to one agent. */
  dir: string;
  /** Where backends find programs if their image has no PATH. */
  path?: string;
  /**
   * Between checks whether the running backends still run. The end of one started by this process is noticed at once.
   */
  pollEveryMs?: number;
  /** Between two looks for more output, while somebody reads it. */
  followEveryMs?: number;
  /** Between two samples of what a backend uses. */
  sampleEveryMs?: number;
  /** How much of a backend's output is kept at least, where there was so much; at most it is about twice that. */
  outputKeptBytes?: number;
  /** Watched by the shell of each backend with a key, where it is given. */
  lease?: WatchedLease | null;
  /** The process table; this machine's own where it is left out. */
  table?: ProcessTable;
}

/** The address that backends listen on; their records hold only the port. */
const host = "127.0.0.1";
/** How long the end of a backend that an earlier process has left is waited for: what the kernel does not end is not. */
const endedWithinMs = 1_000;

export interface ProcessRuntime extends Runtime {
  /** Ends every backend that was started or found here, before it returns: for a process that must leave at once. */
  killAll(): void;
}

/**
 * Runs a backend as a process group of its own, so that a stop reaches its descendants. A descendant that makes itself
 * a group of its own escapes: that needs a container. Nothing keeps a backend from this machine's files either; its own
 * copy of its image's files is merely where it starts. Resource limits and mounts are ignored.
 *
 * Backends keep running when this process ends or crashes. What the next process needs to adopt one is written to the
 * backend's folder before its command starts.
 */
export function processRuntime({
  images,
  keptImages = noImages,
  path = process.env.PATH,
  pollEveryMs = 200,
  followEveryMs = 50,
  sampleEveryMs = 1_000,
  outputKeptBytes = 4 * 1024 * 1024,
  lease = null,
  table = processTable(),
  ...options
}: ProcessRuntimeOptions): ProcessRuntime {
  const dir = resolve(options.dir);
  const backends = new Map<string, ProcessBackend>();
  const starting = new Set<string>();
  const ports = new Set<number>();
  let adopted: Promise<void> | undefined;
  let watching: NodeJS.Timeout | undefined;

  function track(backendId: string, folder: BackendFolder, { leader, port }: BackendRecord): ProcessBackend {
    const output = { keptBytes: outputKeptBytes, followEveryMs };
    const backend = new ProcessBackend({ folder, leader, address: { host, port }, table, output });
    backends.set(backendId, backend);
    ports.add(port);
    // The checks must not keep this process from ending: its backends do not need it.
    watching ??= setInterval(checkAll, pollEveryMs).unref();
    void backend.exited.then(() => ports.delete(port));
    return backend;
  }

  function checkAll(): void {
    const running = Array.from(backends.values()).filter(({ over }) => !over.aborted);
    for (const backend of running) backend.check();
    if (running.length > 0) return;
    clearInterval(watching);
    watching = undefined;
  }

  async function forget(backendId: string, backend: ProcessBackend): Promise<void> {
    await backend.discard();
    backends.delete(backendId);
  }

  /** Adopts the backends of an earlier runtime over the same folder. */
  async function adopt(): Promise<void> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const found = await readBackendFolders(dir);
    await Promise.all(
      found.map(async ({ backendId, folder, record }) => {
        const backend = track(backendId, folder, record);
        if (!(await backend.isRecognised())) await settleEnd(backend);
        if (!(await backend.hasBegun())) await forget(backendId, backend);
      }),
    );
  }

  /** Known as ended before anybody looks for it at its port, which may be another program's by now. */
  async function settleEnd(backend: ProcessBackend): Promise<void> {
    backend.end();
    await Promise.race([backend.exited, elapse(endedWithinMs, null, { ref: false })]);
  }

  /** @returns all backends, once the earlier ones are adopted */
  async function known(): Promise<Map<string, ProcessBackend>> {
    adopted ??= adopt();
    await adopted;
    return backends;
  }

  async function find(image: RuntimeImage, signal: AbortSignal): Promise<Result<LocalImage>> {
    try {
      return await images({ repository: image.repository, digest: image.digest }, signal);
    } catch (error) {
      return fail("internal_error", `image \`${image.reference}\` could not be read: ${messageOf(error)}`);
    }
  }

  /** Rejects, having left nothing, where the backend's command was not started. */
  async function launch(image: LocalImage, spec: StartSpec): Promise<Started> {
    const folder = new BackendFolder(join(dir, spec.backendId));
    await folder.make();
    let port = 0;
    let shell: HeldShell | undefined;
    let backend: ProcessBackend | undefined;
    try {
      port = await freePort(ports);
      ports.add(port);
      const own = (await image.files?.copyTo(folder.tree)) ?? image;
      const cwd = own.cwd ?? dir;
      const env = {
        ...(path === undefined ? {} : { PATH: path }),
        ...own.env,
        ...spec.env,
        PORT: String(port),
      };
      const [program = "", ...args] = own.command;
      const command = [await findProgram(program, cwd, env.PATH ?? ""), ...args] as const;
      const watched = spec.mayRun === undefined ? null : lease;
      shell = await holdShell({ folder: folder.path, command, cwd, env, lease: watched });
      const identity = await table.identify(shell.pid);
      if (identity === null) throw new Error("its shell has ended at once");
      const leader = { pid: shell.pid, identity };
      const record = { leader, port, image: spec.image.reference, labels: { ...spec.labels } };
      await folder.writeRecord(record);
      backend = track(spec.backendId, folder, record);
      void shell.ended.then(() => backend?.check());
      if (spec.mayRun?.() === false) throw new Error("the lease ran out before it was started");
      shell.release();
      if (!(await backend.hasBegun())) throw new Error("its shell has ended before the command was started");
      return { address: backend.address, exited: backend.exited };
    } catch (error) {
      ports.delete(port);
      shell?.drop();
      await (backend ? forget(spec.backendId, backend) : folder.remove());
      throw error;
    }
  }

  return {
    fencing: { guarded: { kind: "processes", dir }, watchesLease: lease !== null },

    images: keptImages,

    async pull(image, signal, claim = () => undefined) {
      claim();
      const found = await find(image, signal);
      if (!found.ok) return found;
      found.value.files?.prepare();
      return ok(null);
    },

    async start(spec) {
      if ((await known()).has(spec.backendId) || starting.has(spec.backendId)) {
        return fail("already_exists", `backend \`${spec.backendId}\` was started here before`);
      }
      starting.add(spec.backendId);
      try {
        const image = await find(spec.image, new AbortController().signal);
        if (!image.ok) return image;
        const { files } = image.value;
        const begin = () => launch(image.value, spec);
        return ok(await (files ? files.withRoom(begin) : begin()));
      } catch (error) {
        return fail("internal_error", `the command of \`${spec.image.reference}\`: ${messageOf(error)}`);
      } finally {
        starting.delete(spec.backendId);
      }
    },

    async stop(backendId, kind) {
      (await known()).get(backendId)?.stop(kind);
    },

    async list() {
      return Array.from(await known(), ([backendId, { address, exited }]) => ({
        backendId,
        address,
        exited,
      })).filter(({ backendId }) => !starting.has(backendId));
    },

    async remove(backendId) {
      const backend = (await known()).get(backendId);
      if (backend === undefined) return;
      if (!backend.over.aborted) throw new Error(`backend \`${backendId}\` has not ended: stop it first`);
      await forget(backendId, backend);
    },

    async clear({ isKnown }) {
      const ended = Array.from(await known()).filter(([id, { over }]) => over.aborted && !isKnown(id));
      for (const [backendId, backend] of ended) await forget(backendId, backend);
      await clearOrphans(dir, (backendId) => backends.has(backendId) || starting.has(backendId));
    },

    async *logs(backendId, signal) {
      const backend = (await known()).get(backendId);
      if (backend) yield* backend.output.lines(signal, backend.over);
    },

    async *stats(backendId, signal) {
      const backend = (await known()).get(backendId);
      if (!backend) return;
      const ended = AbortSignal.any([signal, backend.over]);
      yield* usageOfGroup({ table, everyMs: sampleEveryMs }, backend.group, ended);
    },

    killAll() {
      for (const backend of backends.values()) backend.stop("hard");
    },
  };
}
