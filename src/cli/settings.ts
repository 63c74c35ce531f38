import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { isName } from "../domain/names.ts";
import { done, type Outcome, usageFailure } from "./outcome.ts";

export const defaultApiUrl = "http://localhost:8787";
const defaultStateDir = ".slipway";

/** What the command needs of the file that `npm start` writes (src/protocol/README.md, "`local.json` of `npm start`"). */
const localState = z.object({ api_url: z.string(), token: z.string(), root_token: z.string() });
type LocalState = z.infer<typeof localState>;

/** Which secret a command authenticates with. */
export interface SecretSource {
  /** The field of a local deployment's file that is its default; null where there is none. */
  field: "token" | "root_token" | null;
  option: string;
  variable: string;
}

export const accountToken: SecretSource = { field: "token", option: "--token", variable: "SLIPWAY_TOKEN" };
export const rootToken: SecretSource = {
  field: "root_token",
  option: "--root-token",
  variable: "SLIPWAY_ROOT_TOKEN",
};

export const agentToken: SecretSource = {
  field: null,
  option: "--agent-token",
  variable: "SLIPWAY_AGENT_TOKEN",
};

export interface Settings {
  /** Without a slash at its end. */
  apiUrl: string;
  secret: string;
}

/**
 * Where requests go and what they carry: options first, then the environment, then the file of `npm start`. The local
 * deployment's secret is sent to its own address only. Fails as `usage` where no secret is given.
 */
export async function resolveSettings(
  source: SecretSource,
  given: { apiUrl?: string | undefined; secret?: string | undefined },
  env: NodeJS.ProcessEnv,
): Promise<Outcome<Settings>> {
  const givenUrl = given.apiUrl ?? (env.SLIPWAY_API_URL || undefined);
  const url = givenUrl === undefined ? done(undefined) : parseApiUrl(givenUrl);
  if (!url.ok) return url;
  const givenSecret = given.secret ?? (env[source.variable] || undefined);
  if (givenSecret !== undefined) {
    return usable({ apiUrl: url.value ?? defaultApiUrl, secret: givenSecret }, source);
  }
  if (source.field === null) return missing(source);
  const local = await readLocalState(env.SLIPWAY_STATE_DIR || defaultStateDir);
  if (!local.ok) return local;
  const localUrl = local.value === null ? null : parseApiUrl(local.value.api_url);
  if (localUrl && !localUrl.ok) return localUrl;
  if (local.value === null || (url.value !== undefined && url.value !== localUrl?.value)) {
    return missing(source, " (`npm start` writes one for a local deployment)");
  }
  return usable({ apiUrl: localUrl?.value ?? defaultApiUrl, secret: local.value[source.field] }, source);
}

function missing(source: SecretSource, hint = ""): Outcome<never> {
  return usageFailure(`no token: give ${source.option} or set ${source.variable}${hint}`);
}

/** The account that a token belongs to: what stands before its first `_`. */
export function accountOf(token: string): Outcome<string> {
  const account = token.slice(0, Math.max(token.indexOf("_"), 0));
  return isName(account)
    ? done(account)
    : usageFailure("the token is malformed: it looks like <account>_<id>.<secret>");
}

function parseApiUrl(text: string): Outcome<string> {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol)) {
    return usageFailure(`\`${text}\` is not an http or https URL; an API URL looks like ${defaultApiUrl}`);
  }
  return done(`${url.origin}${url.pathname}`.replace(/\/+$/, ""));
}

function usable(settings: Settings, source: SecretSource): Outcome<Settings> {
  return /^[\x21-\x7e]+$/.test(settings.secret)
    ? done(settings)
    : usageFailure(`the value of ${source.option} has characters that no token has`);
}

async function readLocalState(stateDir: string): Promise<Outcome<LocalState | null>> {
  const path = join(stateDir, "local.json");
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch {
    return done(null);
  }
  const state = localState.safeParse(parseJson(text));
  return state.success
    ? done(state.data)
    : usageFailure(`${path} is not what \`npm start\` writes; start it again or remove the file`);
}

/** The value of a JSON text; undefined where it is none, which no schema here accepts. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
