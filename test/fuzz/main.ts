import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeFolder } from "../support/folder.ts";
import { collectOutput } from "../support/process.ts";
import { pathOf } from "../support/programs.ts";

/*
 * Installs Schemathesis, and fuzzes the control plane by its own description of its API. Exits with 1 where something is
 * found; where this machine cannot do it, it says so and exits with 0.
 */

const installMs = 90_000;
const wholeMs = 300_000;
const seed = process.env.SEED ?? "1";
const requirements = fileURLToPath(new URL("requirements.txt", import.meta.url));
const isolated = fileURLToPath(new URL("isolated.ts", import.meta.url));

/** Runs a program in a network of its own, which has the loopback only. Root needs no other rights for it. */
const inOwnNetwork = [
  ["unshare", "--net", ...(process.getuid?.() === 0 ? [] : ["--map-root-user"])],
  ["sh", "-c", 'ip link set lo up && exec "$@"', "sh"],
].flat();

let interrupted = false;

/**
 * Runs a program to its end, which comes with this process's or at a time.
 * @param endsAt in milliseconds as of `performance.now`
 */
async function run([program = "", ...args]: readonly string[], output: "pipe" | "inherit", endsAt: number) {
  // A group of its own, so that what it starts ends with it.
  const child = spawn(program, args, { stdio: ["ignore", output, output], detached: true });
  const printed = collectOutput(child);
  let isLate = false;
  const end = () => {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGTERM");
  };
  const interrupt = () => {
    interrupted = true;
    end();
  };
  const timer = setTimeout(() => {
    isLate = true;
    end();
  }, endsAt - performance.now());
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, interrupt);
  const [code] = await once(child, "close");
  clearTimeout(timer);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, interrupt);
  const lastLine = isLate ? "it takes too long" : (printed.output.trim().split("\n").at(-1) ?? "");
  return { done: code === 0, lastLine };
}

/** Why this machine cannot do it, or null once Schemathesis is there. */
async function whyNot(environment: string): Promise<string | null> {
  const endsAt = performance.now() + installMs;
  const missing = ["python3", "unshare", "ip"].filter((program) => pathOf(program) === null);
  if (missing.length > 0) return `not on the PATH: ${missing.join(", ")}`;
  const network = await run([...inOwnNetwork, "true"], "pipe", endsAt);
  if (!network.done) return `there is no network of its own to be had: ${network.lastLine}`;
  const venv = await run(["python3", "-m", "venv", environment], "pipe", endsAt);
  if (!venv.done) return `python3 makes no virtual environment: ${venv.lastLine}`;
  const pip = [join(environment, "bin/pip"), "--disable-pip-version-check", "--no-input"];
  const installed = await run([...pip, "install", "--quiet", "-r", requirements], "pipe", endsAt);
  return installed.done ? null : `pip cannot install it: ${installed.lastLine}`;
}

const begun = performance.now();
await using folder = await makeFolder();
const environment = join(folder.path, "python");
const reason = await whyNot(environment);
if (interrupted) {
  process.exitCode = 1;
} else if (reason !== null) {
  const line = `test/fuzz: skipped: ${reason}`;
  console.warn(line);
  if (process.env.SKIPPED_TESTS_FILE) await appendFile(process.env.SKIPPED_TESTS_FILE, `${line}\n`);
} else {
  console.log(`SEED=${seed}`);
  const program = [process.execPath, isolated, folder.path, join(environment, "bin/schemathesis"), seed];
  const { done, lastLine } = await run([...inOwnNetwork, ...program], "inherit", begun + wholeMs);
  if (!done && lastLine !== "") console.error(lastLine);
  process.exitCode = done ? 0 : 1;
}
