import fs, { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { relative } from "node:path";
import { onTestFinished } from "vitest";

/** How writes fail from the first of a kind on: that one alone, or all until there is room. */
export type Failing = "alone" | "until there is room";

/** A disk without room, as far as this process writes to it: what makes or lengthens something below a folder fails. */
export interface FailingDisk {
  /** The kinds of writes that were made, in order: which function, and where. */
  written(): string[];
  failAt(kind: string, failing: Failing): void;
  hasFailed(): boolean;
  makeRoom(): void;
}

const { mkdirSync, writeFileSync, openSync, writeSync, renameSync, closeSync, existsSync } = fs;
const { mkdir, writeFile, open, copyFile, symlink, link, rename } = fs.promises;
type Path = Parameters<typeof existsSync>[0];

/** Stands in for the functions of Node that write, in all modules of this process, until the test ends. */
export function failingDisk(dir: string): FailingDisk {
  const written: string[] = [];
  const files = new Map<number, Path>();
  let plan: { kind: string; failing: Failing } | null = null;
  let hasFailed = false;

  const nameOf = (path: Path) =>
    relative(dir, String(path))
      .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "*")
      .replaceAll(/[0-9a-f]{64}/g, "*")
      .replaceAll(/k3f9q\d{8}/g, "<id>");

  /** Takes note of a write. Throws where there is no room for it. @param leave what it leaves then */
  function note(what: string, path: Path, leave?: () => void): void {
    const place = nameOf(path);
    if (place.startsWith("..")) return;
    const kind = `${what} ${place}`;
    written.push(kind);
    const isFirst = plan?.kind === kind && !hasFailed;
    if (isFirst) hasFailed = true;
    if (!isFirst && !(hasFailed && plan?.failing === "until there is room")) return;
    leave?.();
    throw Object.assign(new Error(`ENOSPC: no space left on device, ${kind}`), { code: "ENOSPC" });
  }

  const isMaking = (path: Path, flags: string | number | undefined) =>
    typeof flags === "number"
      ? (flags & constants.O_CREAT) !== 0 && !existsSync(path)
      : /[wa]/.test(flags ?? "r");

  const withNotes = (file: FileHandle, path: Path) => {
    const { write: writeBytes, writeFile: writeAll } = file;
    return Object.assign(file, {
      write: async (...params: Parameters<typeof writeBytes>) => {
        note("write", path);
        return writeBytes.apply(file, params);
      },
      writeFile: async (...params: Parameters<typeof writeAll>) => {
        note("write", path);
        return writeAll.apply(file, params);
      },
    });
  };

  Object.assign(fs, {
    mkdirSync(...params: Parameters<typeof mkdirSync>) {
      if (!existsSync(params[0])) note("mkdir", params[0]);
      return mkdirSync(...params);
    },
    writeFileSync(...params: Parameters<typeof writeFileSync>) {
      const [file] = params;
      if (typeof file !== "number") note("writeFile", file, () => writeFileSync(file, ""));
      writeFileSync(...params);
    },
    openSync(...params: Parameters<typeof openSync>) {
      const isMade = isMaking(params[0], params[1]);
      if (isMade) note("open", params[0]);
      const file = openSync(...params);
      if (isMade) files.set(file, params[0]);
      return file;
    },
    writeSync(file: number, bytes: Uint8Array | string, ...rest: [number?, number?, number?]) {
      const path = files.get(file);
      if (path !== undefined) note("write", path);
      return typeof bytes === "string"
        ? writeSync(file, bytes, rest[0])
        : writeSync(file, bytes, rest[0], rest[1], rest[2]);
    },
    closeSync(file: number) {
      files.delete(file);
      closeSync(file);
    },
    renameSync(...params: Parameters<typeof renameSync>) {
      note("rename", params[1]);
      renameSync(...params);
    },
  });
  Object.assign(fs.promises, {
    async mkdir(...params: Parameters<typeof mkdir>) {
      if (!existsSync(params[0])) note("mkdir", params[0]);
      return mkdir(...params);
    },
    async writeFile(path: Path, ...rest: [string, ...never[]]) {
      note("writeFile", path, () => writeFileSync(path, ""));
      return writeFile(path, ...rest);
    },
    async open(...params: Parameters<typeof open>) {
      if (!isMaking(params[0], params[1])) return open(...params);
      note("open", params[0]);
      return withNotes(await open(...params), params[0]);
    },
    async copyFile(...params: Parameters<typeof copyFile>) {
      note("copyFile", params[1], () => writeFileSync(params[1], ""));
      return copyFile(...params);
    },
    async symlink(...params: Parameters<typeof symlink>) {
      note("symlink", params[1]);
      return symlink(...params);
    },
    async link(...params: Parameters<typeof link>) {
      note("link", params[1]);
      return link(...params);
    },
    async rename(...params: Parameters<typeof rename>) {
      note("rename", params[1]);
      return rename(...params);
    },
  });
  syncBuiltinESMExports();
  onTestFinished(() => {
    Object.assign(fs, { mkdirSync, writeFileSync, openSync, writeSync, renameSync, closeSync });
    Object.assign(fs.promises, { mkdir, writeFile, open, copyFile, symlink, link, rename });
    syncBuiltinESMExports();
  });
  return {
    written: () => written,
    failAt(kind, failing) {
      plan = { kind, failing };
      hasFailed = false;
    },
    hasFailed: () => hasFailed,
    makeRoom() {
      plan = null;
      hasFailed = false;
    },
  };
}
