import { type Command, InvalidArgumentError } from "commander";
import type { z } from "zod";
import { digest, image, name, note, tag } from "../protocol/primitives.ts";
import { searchText } from "../protocol/v3/list.ts";

/** A parser of an argument by a schema; what it does not accept is refused with the schema's messages. */
export function accepted<T>(schema: z.ZodType<T>): (text: string) => T {
  return (text) => {
    const parsed = schema.safeParse(text);
    if (parsed.success) return parsed.data;
    throw new InvalidArgumentError(parsed.error.issues.map(({ message }) => message).join("; "));
  };
}

export const asName = accepted(name);
export const asImage = accepted(image);
export const asTag = accepted(tag);
export const asDigest = accepted(digest);
export const asNote = accepted(note);

/** A parser of an option that may be given several times. */
export function collected<T>(schema: z.ZodType<T>): (text: string, earlier?: readonly T[]) => T[] {
  const parse = accepted(schema);
  return (text, earlier = []) => [...earlier, parse(text)];
}

export const collectNames = collected(name);

export interface EnvironmentPath {
  service: string;
  environment: string;
}

/** Reads SERVICE/ENV. */
export function asEnvironmentPath(text: string): EnvironmentPath {
  const [service, environment, ...rest] = text.split("/");
  if (service === undefined || environment === undefined || rest.length > 0) {
    throw new InvalidArgumentError("name it as SERVICE/ENV, for example hello/staging");
  }
  return { service: asName(service), environment: asName(environment) };
}

/** Where an environment is in the API, below its account. */
export function environmentPath({ service, environment }: EnvironmentPath): string[] {
  return ["services", service, "environments", environment];
}

/** As it is named on the command line. */
export function environmentName({ service, environment }: EnvironmentPath): string {
  return `${service}/${environment}`;
}

export function asPositiveInteger(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("expected a whole number from 1");
  return Number(text);
}

export function asPort(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535) throw new InvalidArgumentError("expected a port, 0 to 65535");
  return port;
}

export function asPercent(text: string): number {
  if (!/^(\d{1,2}(\.\d{1,3})?|100)$/.test(text)) {
    throw new InvalidArgumentError("expected a percentage, 0 to 100");
  }
  return Number(text);
}

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** Reads a duration such as 90s, 15m, 12h, 30d, 2w, or 0, in seconds. */
export function asDurationSeconds(text: string): number {
  if (text === "0") return 0;
  const [, amount, unit] = /^(\d{1,9})([smhdw])$/.exec(text) ?? [];
  if (amount === undefined || unit === undefined) {
    throw new InvalidArgumentError("expected a duration such as 90s, 15m, 12h, 30d or 2w");
  }
  return Number(amount) * (unitSeconds[unit] ?? 1);
}

/** The same, where a number without a unit is seconds too. */
export function asSeconds(text: string): number {
  return /^\d{1,9}$/.test(text) ? Number(text) : asDurationSeconds(text);
}

/** The options of whatever changes an environment. */
export interface ChangeOptions {
  plan?: boolean;
  ifRevision?: number;
}

export function withChangeOptions(command: Command): Command {
  return command
    .option("--plan", "print what it would do and what it would meet, and do nothing")
    .option("--if-revision <n>", "only if this revision is the current one", asPositiveInteger);
}

/** How the options of a change go into its request. */
export function conditionsOf({ plan = false, ifRevision }: ChangeOptions) {
  return { plan, headers: ifRevision === undefined ? {} : { "if-match": `"${ifRevision}"` } };
}

/** The options of what brings a digest into an environment. */
export interface MoveOptions extends ChangeOptions {
  note?: string;
  force?: true;
}

export function withMoveOptions(command: Command): Command {
  return withChangeOptions(
    command
      .option("--note <text>", "why, for the history", asNote)
      .option("--force", "an admin's, with a note: past gates, a rejection, windows and a stop"),
  );
}

export function withLimit(command: Command): Command {
  return command.option("--limit <n>", "show at most this many (default: all)", asPositiveInteger);
}

/** @param finds what it looks for, for the command's help */
export function withSearch(command: Command, finds: string): Command {
  return command.option("--search <text>", `only those ${finds}`, accepted(searchText));
}

/** Adds examples below a command's help. */
export function withExamples(command: Command, examples: readonly string[]): Command {
  return command.addHelpText("after", `\nExamples:\n${examples.map((line) => `  $ ${line}`).join("\n")}`);
}
