import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A directory and the processes of one bench run. Both are gone when this process ends, however it ends. */
export interface Sandbox {
  dir: string;
  /** Makes sure that a child does not outlive this process. */
  own<Child extends ChildProcess>(child: Child): Child;
}

export function openSandbox(): Sandbox {
  const dir = mkdtempSync(join(tmpdir(), "slipway-bench-"));
  const children = new Set<ChildProcess>();
  process.once("exit", () => {
    for (const child of children) child.kill("SIGKILL");
    rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
  });
  process.once("SIGINT", () => process.exit(130));
  process.once("SIGTERM", () => process.exit(143));
  return {
    dir,
    own(child) {
      children.add(child);
      child.once("exit", () => children.delete(child));
      return child;
    },
  };
}
