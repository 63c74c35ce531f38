import { join } from "node:path";
import { fail, ok, type Result } from "../../../../domain/result.ts";
import type { ImageConfig } from "../../../../protocol/oci/pull.ts";
import { messageOf } from "../../../log.ts";
import { placeInRoot, statOf } from "./root-path.ts";

/** What to run for an image, on this machine. */
export interface ImageCommand {
  /** The program and its arguments. */
  command: string[];
  env?: Record<string, string>;
  cwd?: string;
}

/** The search path of container runtimes for an image without PATH. */
const defaultSearchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * What an unpacked image runs: its entrypoint and command, with every path resolved inside its root. `node` is the
 * Node that runs the agent, so that an image may be no more than a script; the script's path, too, is the image's.
 */
export async function imageCommand(root: string, { config }: ImageConfig): Promise<Result<ImageCommand>> {
  const [program, ...args] = [...(config?.Entrypoint ?? []), ...(config?.Cmd ?? [])];
  if (program === undefined) return fail("internal_error", "the image says no command");
  const workingDir = config?.WorkingDir || "/";
  const env = variablesOf(config?.Env ?? []);
  try {
    const cwd = await placeInRoot(root, workingDir, { isDirectory: true });
    if (cwd === null) return fail("internal_error", `the image has no directory \`${workingDir}\``);
    const command =
      program === "node"
        ? [process.execPath, ...(await scriptInRoot(root, args))]
        : [await findProgram(root, program, workingDir, env.PATH ?? defaultSearchPath), ...args];
    return ok({ command, env, cwd: join(root, ...cwd) });
  } catch (error) {
    return fail("internal_error", `the image's command: ${messageOf(error)}`);
  }
}

/** A relative path stays as it is: Node starts in the working directory. */
async function scriptInRoot(root: string, args: string[]): Promise<string[]> {
  const at = args.findIndex((arg) => !arg.startsWith("-"));
  const script = args[at];
  if (!script?.startsWith("/")) return args;
  return args.with(at, await fileInRoot(root, script));
}

async function findProgram(root: string, program: string, workingDir: string, path: string): Promise<string> {
  if (program.startsWith("/")) return fileInRoot(root, program);
  if (program.includes("/")) return fileInRoot(root, `${workingDir}/${program}`);
  for (const directory of path.split(":")) {
    const place = await placeInRoot(root, `${directory}/${program}`);
    if (place) return fileInRoot(root, place.join("/"));
  }
  throw new Error(`it has no program \`${program}\` in ${path}`);
}

async function fileInRoot(root: string, path: string): Promise<string> {
  const place = await placeInRoot(root, path);
  const file = place && join(root, ...place);
  if (file === null || !(await statOf(file))?.isFile()) throw new Error(`it has no file \`${path}\``);
  return file;
}

function variablesOf(list: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    list.flatMap((text) => {
      const at = text.indexOf("=");
      return at > 0 ? [[text.slice(0, at), text.slice(at + 1)]] : [];
    }),
  );
}
