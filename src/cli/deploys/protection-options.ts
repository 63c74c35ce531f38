import { readFile } from "node:fs/promises";
import { type Command, InvalidArgumentError, Option } from "commander";
import { z } from "zod";
import { type TokenRole, tokenRoles } from "../../domain/credentials/access.ts";
import { approvalsMax } from "../../domain/limits.ts";
import { name } from "../../protocol/primitives.ts";
import { checkName, gates } from "../../protocol/v3/protection.ts";
import type { Environment, EnvironmentSettingsBody } from "../../protocol/v3/services.ts";
import { freezeWindows } from "../../protocol/v3/windows.ts";
import { accepted, asPositiveInteger, asSeconds, collected } from "../arguments.ts";
import { bodyOf } from "../client.ts";
import { done, type Outcome, usageFailure } from "../outcome.ts";
import { parseJson } from "../settings.ts";

/** False: the setting is taken away. Left out: it stays as it is. */
interface GateOptions {
  gatesFrom?: string[];
  match?: "any" | "all";
  minReady?: number | false;
  maxFailedShare?: number | false;
  minSamples?: number;
  soak?: number | false;
  check?: string[] | false;
  /** False: all gates are taken away that are not named beside it. */
  gates: boolean;
}

interface ChangerOptions {
  changerRole?: Exclude<TokenRole, "agent">[];
  changerToken?: string[];
  /** As with `gates`. */
  changers: boolean;
}

/** The options of `env protect`. */
export interface ProtectionOptions extends GateOptions, ChangerOptions {
  requireDigest?: boolean;
  spawnTag?: boolean;
  follow?: "auto" | "candidate";
  approvals?: number;
  windows?: string | false;
  emergencyRollback?: boolean;
}

type Settings = Environment["settings"];

/** Adds them to the command. */
export function withProtectionOptions(command: Command): Command {
  return withOtherOptions(withChangerOptions(withGateOptions(command)));
}

function withGateOptions(command: Command): Command {
  return command
    .option(
      "--gates-from <envs>",
      "the environments that a digest may come from, such as staging,qa",
      asNames,
    )
    .addOption(
      new Option("--match <how-many>", "of several: whether any or all of them have to run it").choices([
        "any",
        "all",
      ]),
    )
    .option("--min-ready <n>", "how many sessions have to have become ready on it there", asPositiveInteger)
    .option("--no-min-ready", "any number will do")
    .option(
      "--max-failed-share <share>",
      "the share of the sessions there that may have failed, from 0 to 1",
      asShare,
    )
    .option("--no-max-failed-share", "any share will do")
    .option("--min-samples <n>", "how many sessions that share takes (default: 20)", asPositiveInteger)
    .option("--soak <seconds>", "how long it has to have run there, in seconds or such as 15m", asSeconds)
    .option("--no-soak", "any time will do")
    .option(
      "--check <name>",
      "a check outside that has to have passed; may be repeated",
      collected(checkName),
    )
    .option("--no-check", "no check has to have passed")
    .option("--no-gates", "take all gates away, but for those that are named beside it");
}

function withChangerOptions(command: Command): Command {
  const roles = tokenRoles.join(", ");
  return command
    .option(
      "--changer-role <role>",
      `who may change it: a role (${roles}); may be repeated`,
      (text: string, earlier: readonly string[] = []) => [...earlier, asRole(text)],
    )
    .option(
      "--changer-token <id>",
      "who may change it: a token; may be repeated",
      (text: string, earlier: readonly string[] = []) => [...earlier, text],
    )
    .option(
      "--no-changers",
      "whoever has the role that a change takes, but for those that are named beside it",
    );
}

function withOtherOptions(command: Command): Command {
  return command
    .option("--require-digest", "only a digest may be pinned, and no tag followed")
    .option("--no-require-digest", "tags are allowed")
    .option("--spawn-tag", "a spawn may name another image or cluster")
    .option("--no-spawn-tag", "it may not")
    .addOption(
      new Option("--follow <how>", "whether a push of its tag moves it, or waits to be promoted").choices([
        "auto",
        "candidate",
      ]),
    )
    .option("--approvals <n>", "how many others have to approve of a change; 0: none", asApprovals)
    .option("--windows <json>", "when it may be changed: a file, or the JSON itself, which begins with [")
    .option("--no-windows", "at any time")
    .option("--emergency-rollback", "a return to what ran here passes windows, gates and approvals")
    .option("--no-emergency-rollback", "it does not");
}

const asNamesOf = accepted(name);
const asNames = (text: string) => text.split(",").map(asNamesOf);
const asShare = accepted(
  z
    .string()
    .regex(/^\d{0,3}(\.\d{1,9})?$/, "expected a share from 0 to 1, such as 0.05")
    .transform((text) => (text === "" ? Number.NaN : Number(text)))
    .pipe(gates.shape.max_failed_share.unwrap()),
);

function asRole(text: string): Exclude<TokenRole, "agent"> {
  const role = tokenRoles.find((known) => known === text);
  if (role === undefined) throw new InvalidArgumentError(`a role is one of ${tokenRoles.join(", ")}`);
  return role;
}

function asApprovals(text: string): number {
  if (!/^\d{1,3}$/.test(text) || Number(text) > approvalsMax) {
    throw new InvalidArgumentError(`expected a number from 0 to ${approvalsMax}`);
  }
  return Number(text);
}

/** Whether nothing is named: what there is, is to be shown then. */
export function namesNothing(options: ProtectionOptions): boolean {
  return options.windows === undefined && !isAnyGiven(settingsChange(options, {}));
}

/** Whether the change depends on what protects the environment now: a part of its gates or changers is named. */
export function dependsOnPresent(options: ProtectionOptions): boolean {
  return (
    (options.gates && isAnyGiven(namedGates(options))) ||
    (options.changers && isAnyGiven(namedChangers(options)))
  );
}

/**
 * The change of the settings, but for windows.
 * @param present what they are: of gates and changers the API takes all or nothing
 */
export function settingsChange(options: ProtectionOptions, present: Settings): EnvironmentSettingsBody {
  return {
    gates: gatesChange(options, present.gates),
    changers: changersChange(options, present.changers),
    require_digest: options.requireDigest,
    allow_spawn_tag: options.spawnTag,
    follow: options.follow,
    approvals: options.approvals,
    emergency_rollback: options.emergencyRollback,
  };
}

/** Those of `--windows`; undefined where they stay, null where there are to be none. */
export async function windowsOf({
  windows,
}: ProtectionOptions): Promise<Outcome<EnvironmentSettingsBody["windows"]>> {
  if (windows === undefined) return done(undefined);
  if (windows === false) return done(null);
  let text = windows;
  if (!windows.trimStart().startsWith("[")) {
    try {
      text = await readFile(windows, "utf8");
    } catch {
      return usageFailure(`--windows: the file ${windows} cannot be read, and JSON begins with [`);
    }
  }
  const json = parseJson(text);
  if (json === undefined) return usageFailure("--windows: this is not JSON");
  const body = bodyOf(z.object({ windows: z.unknown().pipe(freezeWindows) }), { windows: json });
  return body.ok ? done(body.value.windows) : body;
}

/** @returns undefined where they stay, null where there are to be none */
function gatesChange(options: GateOptions, present: Settings["gates"]): EnvironmentSettingsBody["gates"] {
  const named = namedGates(options);
  if (!isAnyGiven(named)) return options.gates ? undefined : null;
  const before = (options.gates && present) || {};
  const after = {
    from: oneOf(named.from, before.from),
    match: oneOf(named.match, before.match),
    min_ready: oneOf(named.min_ready, before.min_ready),
    max_failed_share: oneOf(named.max_failed_share, before.max_failed_share),
    min_samples: oneOf(named.min_samples, before.min_samples),
    soak_seconds: oneOf(named.soak_seconds, before.soak_seconds),
    checks: oneOf(named.checks, before.checks),
  };
  return isAnyGiven(after) ? after : null;
}

function changersChange(
  options: ChangerOptions,
  present: Settings["changers"],
): EnvironmentSettingsBody["changers"] {
  const named = namedChangers(options);
  if (!isAnyGiven(named)) return options.changers ? undefined : null;
  const before = (options.changers && present) || {};
  return { roles: oneOf(named.roles, before.roles), tokens: oneOf(named.tokens, before.tokens) };
}

function namedGates({ maxFailedShare: share, minSamples, ...options }: GateOptions) {
  return {
    from: options.gatesFrom,
    match: options.match,
    min_ready: options.minReady,
    max_failed_share: share,
    // It is of that share.
    min_samples: share === false ? (minSamples ?? false) : minSamples,
    soak_seconds: options.soak,
    checks: options.check,
  } as const;
}

function namedChangers({ changerRole, changerToken }: ChangerOptions) {
  return { roles: changerRole, tokens: changerToken };
}

/** What is named, or else what there was; nothing where that is taken away. */
function oneOf<T>(named: T | false | undefined, before: T | undefined): T | undefined {
  return named === false ? undefined : (named ?? before);
}

function isAnyGiven(fields: object): boolean {
  return Object.values(fields).some((value) => value !== undefined);
}
