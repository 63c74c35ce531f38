import type { Command } from "commander";
import { type Answer, type ApiClient, createClient } from "./client.ts";
import { type CommandFailure, exitCodes, type Outcome } from "./outcome.ts";
import { printable } from "./output.ts";
import { accountOf, accountToken, resolveSettings, rootToken } from "./settings.ts";

/** The options of the program itself, which every command has. */
interface GlobalOptions {
  apiUrl?: string;
  token?: string;
  json?: boolean;
}

export interface Work<T> {
  call: (api: ApiClient) => Promise<Outcome<Answer<T>>>;
  /** The answer for people. */
  text: (body: T) => string;
  /** Whether an answer, though it is one, is bad news: the exit code is 1 then. */
  isBad?: (body: T) => boolean;
}

/** Runs a command with an account's token. `api` is below `/v3/accounts/<account>`. */
export async function runForAccount<T>(command: Command, work: Work<T>): Promise<void> {
  const options = command.optsWithGlobals<GlobalOptions>();
  const settings = await resolveSettings(
    accountToken,
    { apiUrl: options.apiUrl, secret: options.token },
    process.env,
  );
  if (!settings.ok) return report(settings.failure);
  const { apiUrl, secret } = settings.value;
  const account = accountOf(secret);
  if (!account.ok) return report(account.failure);
  const api = createClient({ base: apiUrl, root: ["v3", "accounts", account.value], secret });
  await show(await work.call(api), work, options);
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

async function show<T>(outcome: Outcome<Answer<T>>, work: Work<T>, options: GlobalOptions): Promise<void> {
  if (!outcome.ok) return report(outcome.failure);
  const { body, json } = outcome.value;
  if (work.isBad?.(body)) process.exitCode = exitCodes.request;
  if (!options.json) process.stdout.write(`${work.text(body)}\n`);
  else if (json !== undefined) process.stdout.write(`${JSON.stringify(json, null, 2)}\n`);
}

function report(failure: CommandFailure): void {
  const known = [
    ...(failure.code === undefined ? [] : [failure.code]),
    ...(failure.requestId === undefined ? [] : [`request ${failure.requestId}`]),
  ];
  const origin = known.length === 0 ? "" : ` (${known.join(", ")})`;
  process.stderr.write(`error: ${printable(failure.message + origin)}\n`);
  process.exitCode = exitCodes[failure.kind];
}
