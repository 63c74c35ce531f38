import { appendFileSync } from "node:fs";
import type { Reporter, TestModule } from "vitest/node";

/** Prints, at the end of a run, why tests were skipped, and adds it to the file that `SKIPPED_TESTS_FILE` names. */
export const skipReasons: Reporter = {
  onTestRunEnd(modules: readonly TestModule[]) {
    for (const module of modules) {
      const reasons = new Map<string, number>();
      for (const test of module.children.allTests("skipped")) {
        const result = test.result();
        const note = result.state === "skipped" ? result.note : undefined;
        if (note !== undefined) reasons.set(note, (reasons.get(note) ?? 0) + 1);
      }
      for (const [reason, count] of reasons) {
        const line = `${module.relativeModuleId}: ${count} tests skipped: ${reason}`;
        console.warn(line);
        if (process.env.SKIPPED_TESTS_FILE) appendFileSync(process.env.SKIPPED_TESTS_FILE, `${line}\n`);
      }
    }
  },
};
