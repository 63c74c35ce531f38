import type { Command } from "commander";
import { describe, expect, test } from "vitest";
import { asDurationSeconds } from "../../src/cli/arguments.ts";
import { createProgram } from "../../src/cli/program.ts";
import { slipway } from "./slipway.ts";

function withSubcommands(command: Command, path: string[] = []): { title: string; command: Command }[] {
  const here = [...path, command.name()];
  return [
    { title: here.join(" "), command },
    ...command.commands.flatMap((subcommand) => withSubcommands(subcommand, here)),
  ];
}

function helpOf(command: Command): string {
  let help = "";
  command.configureOutput({
    writeOut: (text) => {
      help += text;
    },
  });
  command.outputHelp();
  return help;
}

describe("help", () => {
  test.for(withSubcommands(createProgram()))("$title --help has examples and the global options", (given) => {
    const help = helpOf(given.command);
    expect(help).toMatch(/Examples:\n {2}\$ .*slipway /);
    expect(help).toContain("--json");
    expect(help).toContain(given.command.description().slice(0, 20));
  });

  test("--help and --version print to stdout and end well", { timeout: 30_000 }, async () => {
    const help = await slipway(["env", "pin", "--help"]);
    expect(help).toMatchObject({ exitCode: 0, stderr: "" });
    expect(help.stdout).toContain("Usage: slipway env pin [options] <service/env> <image>");
    const version = await slipway(["--version"]);
    expect(version).toMatchObject({ exitCode: 0, stderr: "" });
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test("a group without a command prints its help and is wrong usage", { timeout: 30_000 }, async () => {
    const ended = await slipway(["env"]);
    expect(ended).toMatchObject({ exitCode: 2, stdout: "" });
    expect(ended.stderr).toContain("Usage: slipway env");
  });
});

describe("durations", () => {
  test.for([
    ["0", 0],
    ["90s", 90],
    ["15m", 900],
    ["12h", 43_200],
    ["30d", 2_592_000],
    ["2w", 1_209_600],
  ] as const)("%s is %i seconds", ([text, seconds]) => {
    expect(asDurationSeconds(text)).toBe(seconds);
  });

  test.for(["", "30", "-1d", "1.5h", "d", "1y", "1d1h", " 1d", "1D"])("`%s` is not a duration", (text) => {
    expect(() => asDurationSeconds(text)).toThrow("expected a duration");
  });
});
