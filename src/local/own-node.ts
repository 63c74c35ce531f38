import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import type { ArchivedFile } from "./tar-archive.ts";

/** The Node that runs this process and the libraries it loads: together they run in any image. */
export interface OwnNode {
  files: ArchivedFile[];
  /** Where its libraries are, which need not be where another system's loader looks for them. */
  libraryPath: string;
}

/** Node's diagnostic report: its program and everything that is loaded into it. */
const report = z.object({ sharedObjects: z.array(z.string()) });

/** Where it is in the image: every search path has it. */
const nodePath = "usr/local/bin/node";

export async function ownNode(): Promise<OwnNode> {
  // Otherwise the report resolves the names of all connected addresses.
  Object.assign(process.report, { excludeNetwork: true });
  const { sharedObjects } = report.parse(process.report.getReport());
  // What has no path is the kernel's own.
  const libraries = sharedObjects.filter((path) => path.startsWith("/") && path !== process.execPath);
  const program = { path: nodePath, bytes: await readFile(process.execPath), isExecutable: true };
  const loaded = libraries.map(async (path) => ({
    path: path.slice(1),
    bytes: await readFile(path),
    isExecutable: true,
  }));
  return {
    files: [program, ...(await Promise.all(loaded))],
    libraryPath: [...new Set(libraries.map((path) => dirname(path)))].join(":"),
  };
}
