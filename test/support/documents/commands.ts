import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { z } from "zod";
import packageJson from "../../../package.json" with { type: "json" };
import { createProgram } from "../../../src/cli/program.ts";
import { parseOptions } from "../../bench/options.ts";
import { type Block, read, root, sources } from "./markdown.ts";

/** The commands of a block: one a line, or several joined by `&&`, `;` or `|`; console blocks show them behind `$`. */
export function commandsOf({ language, text }: Block): string[][] {
  if (language !== "sh" && language !== "console") return [];
  const lines = text
    .replace(/<<'?(\w+)'?[\s\S]*?^\1$/gm, "")
    .replace(/\\\n\s*/g, "")
    .split("\n");
  return lines
    .filter((line) => language === "sh" || line.startsWith("$ "))
    .map((line) => line.replace(/^\$ /, "").replace(/(^|\s)#.*$/, ""))
    .flatMap((line) => line.replace(/"[^"]*"|'[^']*'|\$\([^)]*\)/g, "'…'").split(/&&|;|\|/))
    .map((command) => command.trim().split(/\s+/))
    .map((words) => words.slice(words.findIndex((word) => !/^[A-Z_]+=/.test(word))))
    .filter(([program = ""]) => program !== "");
}

const optionName = (word: string) => word.split("=")[0] ?? word;
const isOption = (word: string) => /^--?[a-z]/.test(word);

function slipwayProblem(args: readonly string[]): string | null {
  let command: Command = createProgram();
  const commands = [command];
  for (const word of args.filter((arg) => !isOption(arg))) {
    const next = command.commands.find((each) => each.name() === word || each.aliases().includes(word));
    if (!next) continue;
    command = next;
    commands.push(next);
  }
  if (command.commands.length > 0) return `slipway ${args.join(" ")}: no such command`;
  const known = commands.flatMap(({ options }) => options.flatMap(({ long, short }) => [long, short]));
  const unknown = args
    .filter(isOption)
    .map(optionName)
    .find((name) => !known.includes(name));
  return unknown === undefined ? null : `slipway ${command.name()} has no option ${unknown}`;
}

const jamsocketManifest = z.object({
  commands: z.record(
    z.string(),
    z.object({
      aliases: z.array(z.string()),
      flags: z.record(z.string(), z.object({ name: z.string(), char: z.string().optional() })),
    }),
  ),
});

function jamsocketProblem(args: readonly string[]): string | null {
  const { commands } = jamsocketManifest.parse(
    JSON.parse(read("node_modules/jamsocket/oclif.manifest.json")),
  );
  const words = args.filter((arg) => !isOption(arg));
  const found = [words.slice(0, 2).join(":"), words[0] ?? ""].flatMap((id) =>
    Object.entries(commands).filter(([name, { aliases }]) => name === id || aliases.includes(id)),
  )[0];
  if (!found) return `jamsocket ${args.join(" ")}: no such command`;
  const flags = Object.values(found[1].flags).flatMap(({ name, char }) => [`--${name}`, `-${char}`]);
  const unknown = args
    .filter(isOption)
    .map(optionName)
    .find((name) => !flags.includes(name));
  return unknown === undefined ? null : `jamsocket ${found[0]} has no option ${unknown}`;
}

function vitestProblem(args: readonly string[]): string | null {
  const config = read("vitest.config.ts");
  const options = z.array(z.string()).parse(args);
  for (const [i, word] of options.entries()) {
    if (word === "--project") {
      if (!config.includes(`name: "${options[i + 1]}"`)) return `no test project ${options[i + 1]}`;
    } else if (!isOption(word) && options[i - 1] !== "--project" && word !== "run") {
      if (!sources.some((path) => path.includes(word))) return `no test file's path has ${word} in it`;
    }
  }
  return null;
}

function npmProblem([verb = "", ...rest]: readonly string[]): string | null {
  if (verb === "install" || verb === "ci") return null;
  const script = verb === "run" ? rest[0] : verb;
  if (script === undefined || !Object.keys(packageJson.scripts).includes(script))
    return `no script ${script}`;
  const args = rest.includes("--") ? rest.slice(rest.indexOf("--") + 1) : [];
  if (script === "start") {
    const main = read("src/local/main.ts");
    const unknown = args.filter(isOption).find((arg) => !main.includes(`"${optionName(arg)} `));
    return unknown === undefined ? null : `npm start has no option ${unknown}`;
  }
  if (script === "bench") {
    const parsed = parseOptions([...args]);
    return parsed.ok ? null : `npm run bench: ${parsed.problem}`;
  }
  return script.startsWith("test") ? vitestProblem(args) : null;
}

/** What a reader brings along. */
const otherPrograms = [
  "cat",
  "cd",
  "curl",
  "docker",
  "echo",
  "export",
  "node",
  "openssl",
  "printf",
  "skopeo",
];

/** Why a command of a document cannot be typed; null where it can. */
export function commandProblem([program = "", ...args]: readonly string[]): string | null {
  if (program === "npm") return npmProblem(args);
  if (program !== "npx") return otherPrograms.includes(program) ? null : `${program}: no such program`;
  const [name = "", ...rest] = args;
  if (name === "slipway") return slipwayProblem(rest);
  if (!existsSync(join(root, "node_modules/.bin", name))) return `npx ${name}: no such program`;
  if (name === "jamsocket") return jamsocketProblem(rest);
  return name === "vitest" ? vitestProblem(rest) : null;
}
