#!/usr/bin/env node
import { CommanderError } from "commander";
import { exitCodes } from "./outcome.ts";
import { createProgram } from "./program.ts";

// A reader such as `head` may close the pipe before everything is written.
process.stdout.on("error", (error) => {
  if (!("code" in error && error.code === "EPIPE")) throw error;
});

try {
  await createProgram().parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : exitCodes.usage;
}
