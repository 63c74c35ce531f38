import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startLocalSystem } from "../support/local-system.ts";
import { collectOutput } from "../support/process.ts";
import { acceptedOf, type FuzzReport, findingsOf, fuzzReport } from "./report.ts";
import { type Naming, settingsOf } from "./settings.ts";
import { makeWorld, refusalOf } from "./world.ts";

/*
 * Starts the control plane and lets Schemathesis loose on it. What requests name may be any host of the world: this runs
 * in a network that has no other (main.ts).
 */

interface Part {
  /** A phase of Schemathesis. */
  phase: string;
  seconds: number;
  naming: Naming;
  /** The checks that are left out. */
  unchecked: readonly string[];
  /** The operations that are left out, as `METHOD path`. */
  without?: readonly string[];
}

/**
 * What a schema cannot say: which things there are, which fields go together; and a body may name what there is not, which
 * is 404 as well.
 */
const beyondSchemas = ["positive_data_acceptance", "ensure_resource_availability"];
/** Boundaries of every field by itself, combinations of chance, and sequences; each gets what the one before leaves. */
const parts: readonly Part[] = [
  // A wrong name is reported where the right one was sent.
  {
    phase: "coverage",
    seconds: 50,
    naming: "always",
    unchecked: [...beyondSchemas, "negative_data_rejection"],
  },
  {
    phase: "fuzzing",
    seconds: 50,
    naming: "mostly",
    unchecked: beyondSchemas,
    // It names whatever it has seen in an answer: the token too that sends the requests.
    without: ["DELETE /v3/accounts/{account}/tokens/{token_id}"],
  },
  { phase: "stateful", seconds: 60, naming: "mostly", unchecked: beyondSchemas },
];
/** After its time it still shrinks and prints what it has found. */
const graceMs = 40_000;
/** Fewer than this would mean that the requests no longer get to what they are about. */
const acceptedMin = 30;

const [folder = "", schemathesis = "", seed = ""] = process.argv.slice(2);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

/** Runs one part; what Schemathesis prints, which is long, is printed where it found something. */
async function fuzz({ phase, seconds, naming, unchecked, without = [] }: Part): Promise<FuzzReport> {
  const settings = join(folder, `${phase}.toml`);
  const report = join(folder, `${phase}.json`);
  await writeFile(settings, settingsOf(world, naming, without), { mode: 0o600 });
  const args = [
    ["--config-file", settings, "run", `${system.local.api_url}/v3/openapi.json`],
    ["--phases", phase, "--max-time", String(seconds), "--seed", seed],
    ["--exclude-checks", unchecked.join(), "--generation-database", "none", "--no-color"],
    ["--report", "json", "--report-json-path", report],
  ].flat();
  const child = spawn(schemathesis, args, {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: seconds * 1000 + graceMs,
  });
  const printed = collectOutput(child);
  process.once("exit", () => child.kill());
  const [code] = await once(child, "close");
  if (code !== 0) console.log(printed.output);
  if (code === null) throw new Error(`${phase}: it did not end by itself`);
  const result = fuzzReport.parse(JSON.parse(await readFile(report, "utf8")));
  const { running_time, operations, test_cases } = result;
  const tested = `${test_cases.generated} cases of ${operations.tested} of ${operations.total} operations`;
  console.log(`${phase}: ${tested} in ${running_time.toFixed(0)} s`);
  return result;
}

await using system = await startLocalSystem(join(folder, "state"));
const world = await makeWorld(system.local);
const reports: FuzzReport[] = [];
for (const part of parts) reports.push(await fuzz(part));

const findings = reports.flatMap(findingsOf);
const accepted = new Set(reports.flatMap(acceptedOf));
const [first] = reports;
const never = Object.keys(first?.valid_rates ?? {}).filter((operation) => !accepted.has(operation));
if (accepted.size < acceptedMin) findings.push(`only ${accepted.size} operations accepted a request`);
const refusal = await refusalOf(system.local);
if (refusal !== null) findings.push(`the token that sends the requests is not good any more: ${refusal}`);
if (!system.isRunning()) findings.push("the control plane has ended");
console.log(`accepted a request: ${accepted.size} operations; never: ${never.join(", ") || "none"}`);
console.log(findings.length === 0 ? `Nothing was found with the seed ${seed}.` : findings.join("\n"));
process.exitCode = findings.length === 0 ? 0 : 1;
