import { writeFileSync } from "node:fs";
import { access, mkdir, readdir, readFile, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { hasCode } from "../../log.ts";
import { removeTree } from "./trees/remove-tree.ts";

const backendRecord = z.object({
  // kill(2) takes the group of 1 for every process that there is, and that of 0 for the caller's own.
  leader: z.object({ pid: z.int().min(2), identity: z.string() }),
  port: z.int().positive(),
  image: z.string(),
  labels: z.record(z.string(), z.string()),
});

/** What is written down of a backend before its command is started. Image and labels are for people to read. */
export type BackendRecord = z.infer<typeof backendRecord>;

const recordName = "record.json";
const unfinishedRecordName = "record.json.unfinished";
const removedSuffix = ".removed";
const killedExitCode = 137;

/** All that is kept of a backend. */
export class BackendFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Where the backend's two streams go, since the last time that it grew too large. */
  get output(): string {
    return join(this.path, "output");
  }

  /** What was in `output` before that. */
  get earlierOutput(): string {
    return join(this.path, "output.earlier");
  }

  /** The backend's own copy of its image's files. */
  get tree(): string {
    return join(this.path, "tree");
  }

  /** Rejects where it is there already. */
  async make(): Promise<void> {
    await mkdir(this.path, { mode: 0o700 });
  }

  async writeRecord(record: BackendRecord): Promise<void> {
    const unfinished = join(this.path, unfinishedRecordName);
    await writeFile(unfinished, `${JSON.stringify(record, null, 2)}\n`);
    await rename(unfinished, join(this.path, recordName));
  }

  /** Null where none was written. */
  async readRecord(): Promise<BackendRecord | null> {
    const text = await textOf(join(this.path, recordName));
    try {
      return backendRecord.parse(JSON.parse(text));
    } catch {
      return null;
    }
  }

  /** Whether the backend's command was started. */
  async hasOutput(): Promise<boolean> {
    return access(this.output).then(
      () => true,
      () => false,
    );
  }

  /** Call it before a SIGKILL of the whole group: no shell is left then to write the exit code. */
  markKilled(): void {
    try {
      writeFileSync(join(this.path, "killed"), "");
    } catch {
      // Such as a full disk: that the backend is killed matters more than its exit code.
    }
  }

  /** The exit code of a backend that has ended; null where it is unknown. */
  async exitCode(): Promise<number | null> {
    const written = /^(\d+)\n$/.exec(await textOf(join(this.path, "exit")));
    if (written) return Number(written[1]);
    const isKilled = await access(join(this.path, "killed")).then(
      () => true,
      () => false,
    );
    return isKilled ? killedExitCode : null;
  }

  /** Atomic for readers: a removal that breaks off leaves nothing that is taken for a backend. */
  async remove(): Promise<void> {
    const removed = `${this.path}${removedSuffix}`;
    try {
      await rename(this.path, removed);
    } catch (error) {
      if (hasCode(error, "ENOENT")) return;
      throw error;
    }
    await removeTree(removed);
  }
}

/**
 * The ids, folders and records of the backends below a folder. Clears away what broken-off starts and removals left, where
 * that can be removed.
 */
export async function readBackendFolders(
  dir: string,
): Promise<{ backendId: string; folder: BackendFolder; record: BackendRecord }[]> {
  const backends = [];
  for (const name of await readdir(dir)) {
    const folder = new BackendFolder(join(dir, name));
    const record = await folder.readRecord();
    if (record && !name.endsWith(removedSuffix)) backends.push({ backendId: name, folder, record });
    else await clearAway(name.endsWith(removedSuffix), folder).catch(() => undefined);
  }
  return backends;
}

/** Clears away what broken-off starts and removals left, but for the folders of the backends that are known. */
export async function clearOrphans(dir: string, isKnown: (backendId: string) => boolean): Promise<void> {
  for (const name of await readdir(dir)) {
    const wasRemoved = name.endsWith(removedSuffix);
    const folder = new BackendFolder(join(dir, name));
    if (isKnown(wasRemoved ? name.slice(0, -removedSuffix.length) : name)) continue;
    if (!wasRemoved && (await folder.readRecord()) !== null) continue;
    await clearAway(wasRemoved, folder).catch(() => undefined);
  }
}

/** What began no backend is not removed with all that is in it: other files in there are not ours. */
async function clearAway(wasRemoved: boolean, { path, tree }: BackendFolder): Promise<void> {
  if (wasRemoved) return removeTree(path);
  await rm(join(path, unfinishedRecordName), { force: true });
  await removeTree(tree);
  await rmdir(path);
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT") || hasCode(error, "ENOTDIR")) return "";
    throw error;
  }
}
