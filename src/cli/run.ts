import type { Command } from "commander";
import { type Answer, type ApiClient, createClient } from "./client.ts";
import { followStream } from "./event-stream.ts";
import { type CommandFailure, exitCodes, type Outcome } from "./outcome.ts";
import { printable, printableJson } from "./output.ts";
import { accountOf, accountToken, resolveSettings, rootToken } from "./settings.ts";

/** The options of the program itself, which every command has. */
export interface GlobalOptions {
  apiUrl?: string;
  token?: string;
  json?: boolean;
}

export interface Work<T> {
  call: (api: ApiClient) => Promise<Outcome<Answer<T>>>;
  /** The answer for people; `printable` goes over it. */
  text: (body: T) => string;
  /** Whether a successful answer reports a failure, such as a ping that did not arrive: the exit code is 1 then. */
  reportsFailure?: (body: T) => boolean;
}

/** Runs a command with an account's token. `api` is below `/v3/accounts/<account>`. */
export async function runForAccount<T>(command: Command, work: Work<T>): Promise<void> {
  const options = command.optsWithGlobals<GlobalOptions>();
  const settings = await accountSettings(options);
  if (!settings.ok) return report(settings.failure);
  const { apiUrl, secret } = settings.value;
  const account = accountOf(secret);
  if (!account.ok) return report(account.failure);
  const api = createClient({ base: apiUrl, root: ["v3", "accounts", account.value], secret });
  await show(await work.call(api), work, options);
}

interface StreamWork {
  /** Where the stream is, below the API's URL. */
  path: readonly string[];
  /** Printed above the lines, for people. */
  heading?: string;
  /** A line for people; null to leave it out. `printable` goes over it. */
  text: (line: string) => string | null;
  /** The same for programs: JSON on one line. */
  json: (line: string) => string;
}

/** Prints a stream of the API line by line, with an account's token, until it ends or stdout is closed. */
export async function runStream(command: Command, work: StreamWork): Promise<void> {
  const options = command.optsWithGlobals<GlobalOptions>();
  const settings = await accountSettings(options);
  if (!settings.ok) return report(settings.failure);
  let heading = work.heading === undefined || options.json ? "" : `${work.heading}\n`;
  const ended = await followStream({
    base: settings.value.apiUrl,
    secret: settings.value.secret,
    path: work.path,
    async onLine(line) {
      const text = options.json ? work.json(line) : work.text(line);
      if (text === null) return true;
      const printed = `${heading}${options.json ? printableJson(text) : printable(text)}\n`;
      heading = "";
      return written(printed);
    },
  });
  if (!ended.ok) report(ended.failure);
}

/** Writes to stdout. @returns whether stdout is still open */
export function written(text: string): Promise<boolean> {
  return new Promise((resolve) => process.stdout.write(text, (error) => resolve(!error)));
}

/** Runs a command with the deployment's root token. `api` is below `/v3`. */
export async function runForDeployment<T>(command: Command, work: Work<T>): Promise<void> {
  const options = command.optsWithGlobals<GlobalOptions & { rootToken?: string }>();
  const settings = await resolveSettings(
    rootToken,
    { apiUrl: options.apiUrl, secret: options.rootToken },
    process.env,
  );
  if (!settings.ok) return report(settings.failure);
  const api = createClient({ base: settings.value.apiUrl, root: ["v3"], secret: settings.value.secret });
  await show(await work.call(api), work, options);
}

/** Where the requests of an account's commands go, and with which token. */
export function accountSettings({ apiUrl, token }: GlobalOptions) {
  return resolveSettings(accountToken, { apiUrl, secret: token }, process.env);
}

async function show<T>(outcome: Outcome<Answer<T>>, work: Work<T>, options: GlobalOptions): Promise<void> {
  if (!outcome.ok) return report(outcome.failure);
  const { body, json } = outcome.value;
  if (work.reportsFailure?.(body)) process.exitCode = exitCodes.request;
  if (!options.json) process.stdout.write(`${printable(work.text(body))}\n`);
  else if (json !== undefined) process.stdout.write(`${printableJson(JSON.stringify(json, null, 2))}\n`);
}

/** Prints on stderr why a command failed, and sets the exit code. */
export function report(failure: CommandFailure): void {
  const details = [
    ...(failure.code === undefined ? [] : [failure.code]),
    ...(failure.requestId === undefined ? [] : [`request ${failure.requestId}`]),
  ];
  const suffix = details.length === 0 ? "" : ` (${details.join(", ")})`;
  process.stderr.write(`error: ${printable(failure.message + suffix)}\n`);
  process.exitCode = exitCodes[failure.kind];
}
