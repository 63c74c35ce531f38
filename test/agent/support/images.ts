import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import type { ImageCommands } from "../../../src/agent/runtimes/process/images/image-store.ts";
import { fail, ok } from "../../../src/domain/result.ts";

const program = fileURLToPath(new URL("../fixtures/backend.ts", import.meta.url));

/** The images that the process runtime of the tests knows: what the fixture's behaviours are called. */
const behaviours = {
  serve: [],
  "exit-3": ["exit", "3"],
  "exit-later": ["exit-later", "7"],
  "ignore-sigterm": ["ignore-sigterm"],
  "exit-on-sigterm": ["exit-on-sigterm", "5"],
  "never-listen": ["never-listen"],
  grandchild: ["grandchild"],
  "print-and-exit": ["print-and-exit", "4"],
} as const;
export type ImageName = keyof typeof behaviours | "unknown" | "missing-program";

export function digestOf(image: ImageName): string {
  return `sha256:${createHash("sha256").update(image).digest("hex")}`;
}

export const fixtureImages: ImageCommands = async ({ digest }) => {
  if (digest === digestOf("missing-program")) return ok({ command: ["/nowhere/to/be/found"] });
  for (const name of Object.keys(behaviours) as (keyof typeof behaviours)[]) {
    if (digestOf(name) !== digest) continue;
    return ok({
      command: [process.execPath, program, ...behaviours[name]],
      env: { FROM_IMAGE: "image", OVERRIDDEN: "image" },
    });
  }
  return fail("image_not_found", `there is no image ${digest}`);
};
