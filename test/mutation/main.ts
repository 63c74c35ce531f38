import { createHash } from "node:crypto";
import { globSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Stryker } from "@stryker-mutator/core";

/*
 * Changes the rules and the wire formats one place at a time, and runs the tests that get to the place. Exits with 1 where
 * more changes pass unnoticed than may.
 */

const scoreMin = 93;
const dayMs = 86_400_000;

const { values, positionals } = parseArgs({
  options: { of: { type: "string", default: "1" } },
  allowPositionals: true,
});
const parts = Number(values.of);
if (!Number.isInteger(parts) || parts < 1) throw new Error("--of is a whole number from 1");
/** Another part every day, unless it is set. */
const seed = process.env.SEED ?? String(Math.floor(Date.now() / dayMs));

/** Whether a file belongs to the part of this seed. */
function isOfPart(file: string): boolean {
  return createHash("sha256").update(`${seed} ${file}`).digest().readUInt32BE() % parts === 0;
}

const patterns = positionals.length > 0 ? positionals : ["src/domain/**/*.ts", "src/protocol/**/*.ts"];
const files = globSync(patterns);
console.log(parts === 1 ? `${files.length} files` : `one of ${parts} parts: SEED=${seed}`);

await new Stryker({
  mutate: files.filter(isOfPart).sort(),
  testRunner: "vitest",
  plugins: ["@stryker-mutator/vitest-runner", "./test/mutation/messages.ts"],
  ignorers: ["messages"],
  // What a file's tests import says nothing of what they get to, which is known for each test.
  vitest: { configFile: "test/mutation/vitest.config.ts", related: false },
  coverageAnalysis: "perTest",
  // Constants and schemas, which are made once for all tests: each would need a run of all of them.
  ignoreStatic: true,
  concurrency: 2,
  thresholds: { high: 100, low: scoreMin, break: scoreMin },
  reporters: ["clear-text", "progress-append-only", ...(process.env.REPORT ? ["json"] : [])],
  jsonReporter: { fileName: process.env.REPORT ?? "" },
  clearTextReporter: { allowColor: false, allowEmojis: false, reportTests: false, logTests: false },
  ignorePatterns: ["/.slipway", "/.wrangler", "/dist", "/test/pictures"],
  // It would rewrite one for where the sandbox lies, with an interface that TypeScript 7 has not.
  tsconfigFile: "none",
  tempDirName: join(tmpdir(), "slipway-mutation"),
  cleanTempDir: "always",
}).runMutationTest();
