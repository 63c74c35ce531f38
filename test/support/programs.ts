import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** What only root can do anything with. */
const forRoot = ["dockerd", "mount", "podman", "buildah"];

/** What no package of Debian has. */
const optional = ["crane", "regctl", "oras", "cosign", "helm", "conformance"];

/**
 * Why tests that need programs of this machine cannot run here, or null where they can.
 * In CI they must run, but for those of programs that it cannot install: there it throws instead.
 */
export function whyNotWith(...programs: readonly string[]): string | null {
  const missing = programs.filter((program) => pathOf(program) === null);
  const privileged = programs.filter((program) => forRoot.includes(program));
  const reason =
    missing.length > 0
      ? `not on the PATH: ${missing.join(", ")}`
      : privileged.length > 0 && process.getuid?.() !== 0
        ? `for root only: ${privileged.join(", ")}`
        : null;
  const isOptional = missing.length > 0 && missing.every((program) => optional.includes(program));
  if (reason !== null && process.env.CI && !isOptional) throw new Error(reason);
  return reason;
}

/** Where a program is on the PATH; null where it is not. */
export function pathOf(program: string): string | null {
  const candidates = (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, program));
  return candidates.find(isExecutable) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
