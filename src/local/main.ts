import { constants } from "node:os";
import { Command, InvalidArgumentError, Option } from "commander";
import { messageOf } from "../agent/log.ts";
import { StopRequests } from "../cli/stop-requests.ts";
import { readyScreen } from "./screen.ts";
import { type LocalDeployment, startLocal } from "./start.ts";

interface Options {
  port: number;
  stateDir: string;
  runtime: "process" | "docker";
}

const options = new Command("npm start --")
  .description("Run the whole of Slipway on this machine: the Worker, two clusters, and a demo service.")
  .addOption(
    new Option("--port <port>", "of the API on 127.0.0.1; 0 takes a free one")
      .default(8787)
      .argParser(asPort),
  )
  .option("--state-dir <folder>", "what is kept between starts, secrets included", ".slipway")
  .addOption(
    new Option("--runtime <runtime>", "what backends run in")
      .choices(["process", "docker"])
      .default("process"),
  )
  .parse()
  .opts<Options>();

/** End the backends of the agents at once. */
const leaving: (() => void)[] = [];
const stopping = new AbortController();
const requests = new StopRequests();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    const request = requests.receive(performance.now());
    if (request === "leave") {
      for (const leave of leaving) leave();
      // The Worker's process ends when this one does.
      process.exit(128 + constants.signals[signal]);
    }
    if (request === "stop") {
      if (process.stdout.isTTY) process.stdout.write("\nStopping … (once more to leave at once)\n");
      stopping.abort();
    }
  });
}

const deployment = await start();
if (deployment) {
  process.stdout.write(readyScreen(deployment.description, deployment.loginUrl, options.stateDir));
  const stopped = new Promise<void>((resolve) => {
    if (stopping.signal.aborted) resolve();
    stopping.signal.addEventListener("abort", () => resolve());
  });
  await Promise.race([stopped, deployment.workerEnded]);
  const failed = !stopping.signal.aborted;
  await deployment.close();
  if (failed) fail(`the Worker has ended unexpectedly; its log is ${options.stateDir}/logs/worker.log`);
}
process.exit(0);

/** Null when the start was cancelled by a signal. */
async function start(): Promise<LocalDeployment | null> {
  try {
    return await startLocal({
      ...options,
      onRuntime: (leave) => leaving.push(leave),
      signal: stopping.signal,
    });
  } catch (error) {
    if (stopping.signal.aborted) return null;
    return fail(messageOf(error));
  }
}

function fail(message: string): never {
  process.stderr.write(`error: ${message}\n`);
  process.exit(1);
}

function asPort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535)
    throw new InvalidArgumentError("A port is a number from 0 to 65535.");
  return port;
}
