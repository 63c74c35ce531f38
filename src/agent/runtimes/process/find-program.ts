import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { resolve } from "node:path";

/**
 * Where a program is, as `execvp` finds it: one without a slash on the search path, any other from the folder.
 * Rejects where there is none that can be executed.
 */
export async function findProgram(program: string, cwd: string, searchPath: string): Promise<string> {
  const candidates = program.includes("/")
    ? [resolve(cwd, program)]
    : searchPath.split(":").map((folder) => resolve(cwd, folder, program));
  for (const path of candidates) if (await isExecutable(path)) return path;
  const where = program.includes("/") ? "" : ` on the path ${searchPath}`;
  throw new Error(`there is no program \`${program}\`${where} that can be executed`);
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
