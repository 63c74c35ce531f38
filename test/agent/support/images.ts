import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import type { ImageCommands } from "../../../src/agent/runtimes/process/images/image-store.ts";
import { fail, ok } from "../../../src/domain/result.ts";

const program = fileURLToPath(new URL("../fixtures/backend.ts", import.meta.url));

const runProgram = (...args: string[]) => [process.execPath, program, ...args];
/** A shell starts in far less time than Node. */
const runScript = (script: string) => [
  "/bin/sh",
  "-c",
  `[ -z "$STARTS_FILE" ] || echo $$ >>"$STARTS_FILE"; ${script}`,
];

/** The commands of the images that the process runtime of the tests knows. */
const commands = {
  serve: runProgram(),
  "exit-3": runScript("exit 3"),
  "exit-later": runProgram("exit-later", "7"),
  "ignore-sigterm": runProgram("ignore-sigterm"),
  "exit-on-sigterm": runProgram("exit-on-sigterm", "5"),
  "never-listen": runScript("exec sleep 1000"),
  grandchild: runProgram("grandchild"),
  "print-and-exit": runScript("echo first; echo second; echo last >&2; exit 4"),
  "missing-program": ["/nowhere/to/be/found"],
};
export type ImageName = keyof typeof commands | "unknown";

/** Backends see nothing else of the tests' environment; the fixture hides it from who asks for its own. */
const { NODE_COMPILE_CACHE = "" } = process.env;

export function digestOf(image: ImageName): string {
  return `sha256:${createHash("sha256").update(image).digest("hex")}`;
}

export const fixtureImages: ImageCommands = async ({ digest }) => {
  for (const name of Object.keys(commands) as (keyof typeof commands)[]) {
    if (digestOf(name) !== digest) continue;
    return ok({
      command: commands[name],
      env: { FROM_IMAGE: "image", OVERRIDDEN: "image", NODE_COMPILE_CACHE },
    });
  }
  return fail("image_not_found", `there is no image ${digest}`);
};
