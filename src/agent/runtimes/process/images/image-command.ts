import { join } from "node:path";
import { fail, ok, type Result } from "../../../../domain/result.ts";
import type { ImageConfig } from "../../../../protocol/oci/pull.ts";
import { messageOf } from "../../../log.ts";
import { type PlaceInRoot, placeInRoot, statOf } from "./root-path.ts";

/** What to run for an image, on this machine. */
export interface ImageCommand {
  /** The program and its arguments. */
  command: string[];
  env?: Record<string, string>;
  cwd?: string;
}

/** An image that is on this machine. */
export interface LocalImage extends ImageCommand {
  /** Left out of one that is a command of this machine and nothing else. */
  files?: ImageFiles;
}

/** An image's files, of which each session gets a copy: those that are kept are for copying only. */
export interface ImageFiles {
  /** Has a copy made ahead, so that the next `copyTo` takes no time. A failure is that of the `copyTo`. */
  prepare(): void;
  /** Copies the files to a path where nothing is. Rejects where it cannot; a part of them may be there then. @returns the command there */
  copyTo(path: string): Promise<ImageCommand>;
  /**
   * Does what takes room on the disk; where there is none, once again without the copies that were made ahead.
   * @param work where it rejects, it has left nothing
   */
  withRoom<T>(work: () => Promise<T>): Promise<T>;
}

/** The search path of container runtimes for an image without PATH. */
const defaultSearchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** What an image runs where its files are in a folder: the same in each copy of them. */
export type CommandIn = (root: string) => ImageCommand;

/** An argument of a command, or a place in the image. */
type Argument = string | PlaceInRoot;

/**
 * What an unpacked image runs: its entrypoint and command, with every path resolved inside its root. `node` is the
 * Node that runs the agent, so that an image may be no more than a script; the script's path, too, is the image's.
 */
export async function imageCommand(root: string, { config }: ImageConfig): Promise<Result<CommandIn>> {
  const [program, ...args] = [...(config?.Entrypoint ?? []), ...(config?.Cmd ?? [])];
  if (program === undefined) return fail("internal_error", "the image says no command");
  const workingDir = config?.WorkingDir || "/";
  const env = variablesOf(config?.Env ?? []);
  try {
    const cwd = await placeInRoot(root, workingDir, { isDirectory: true });
    if (cwd === null) return fail("internal_error", `the image has no directory \`${workingDir}\``);
    const command: Argument[] =
      program === "node"
        ? [process.execPath, ...(await scriptInRoot(root, args))]
        : [await findProgram(root, program, workingDir, env.PATH ?? defaultSearchPath), ...args];
    return ok((at) => ({
      command: command.map((argument) => (typeof argument === "string" ? argument : join(at, ...argument))),
      env,
      cwd: join(at, ...cwd),
    }));
  } catch (error) {
    return fail("internal_error", `the image's command: ${messageOf(error)}`);
  }
}

/** A relative path stays as it is: Node starts in the working directory. */
async function scriptInRoot(root: string, args: string[]): Promise<Argument[]> {
  const at = args.findIndex((arg) => !arg.startsWith("-"));
  const script = args[at];
  if (!script?.startsWith("/")) return args;
  const place = await fileInRoot(root, script);
  return args.map((arg, index) => (index === at ? place : arg));
}

async function findProgram(
  root: string,
  program: string,
  workingDir: string,
  path: string,
): Promise<PlaceInRoot> {
  if (program.startsWith("/")) return fileInRoot(root, program);
  if (program.includes("/")) return fileInRoot(root, `${workingDir}/${program}`);
  for (const directory of path.split(":")) {
    const place = await placeInRoot(root, `${directory}/${program}`);
    if (place) return fileInRoot(root, place.join("/"));
  }
  throw new Error(`it has no program \`${program}\` in ${path}`);
}

async function fileInRoot(root: string, path: string): Promise<PlaceInRoot> {
  const place = await placeInRoot(root, path);
  if (place === null || !(await statOf(join(root, ...place)))?.isFile()) {
    throw new Error(`it has no file \`${path}\``);
  }
  return place;
}

function variablesOf(list: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    list.flatMap((text) => {
      const at = text.indexOf("=");
      return at > 0 ? [[text.slice(0, at), text.slice(at + 1)]] : [];
    }),
  );
}
