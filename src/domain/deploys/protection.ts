import type { TokenRole } from "../credentials/access.ts";
import { type Failure, fail } from "../result.ts";
import { areMet, type GateResult, type Gates, gateText } from "./gates.ts";
import type { FreezeWindow } from "./window-times.ts";
import { type Closed, closedMessage } from "./windows.ts";

/** Who may change an environment, beside what roles allow. One of the two is enough. */
export interface Changers {
  roles?: Exclude<TokenRole, "agent">[] | undefined;
  /** Ids of tokens. */
  tokens?: string[] | undefined;
}

/** What keeps an environment from being changed by mistake. What is left out keeps nothing. */
export interface Protection {
  gates?: Gates | undefined;
  changers?: Changers | undefined;
  /** Only a digest may be pinned, and no tag followed. */
  require_digest?: boolean | undefined;
  /** False: a spawn may name neither another image nor another cluster. */
  allow_spawn_tag?: boolean | undefined;
  /** `candidate`: a pushed tag does not move the environment; what it would have moved it to waits to be promoted. */
  follow?: "auto" | "candidate" | undefined;
  /** How many have to approve of a change. */
  approvals?: number | undefined;
  windows?: FreezeWindow[] | undefined;
  /** False: a rollback to what ran here takes the same way as any other change. */
  emergency_rollback?: boolean | undefined;
}

/** The fields of a protection. */
export const protectionFields = [
  "gates",
  "changers",
  "require_digest",
  "allow_spawn_tag",
  "follow",
  "approvals",
  "windows",
  "emergency_rollback",
] as const satisfies readonly (keyof Protection)[];

/** An environment that somebody has stopped: nothing changes it until that is taken back. */
export interface Stop {
  reason: string;
  tokenId: string;
  tokenName: string;
  /** Milliseconds since the epoch. */
  at: number;
}

/** A digest that an environment was rolled back from. */
export interface Rejection {
  digest: string;
  note: string | null;
  tokenName: string;
  at: number;
}

/** Every way in which what an environment resolves to, or may, is changed. */
export type ChangeKind =
  | "pin"
  | "promote"
  | "rollback"
  | "push"
  | "follow"
  | "canary"
  /** Other settings. */
  | "settings"
  | "cluster"
  | "delete"
  /** A stop is taken back. */
  | "unstop";

/** A change as far as protection minds it. */
export interface Proposal {
  kind: ChangeKind;
  /** The digest that it brings in, or goes back to; null where it brings none. */
  digest: string | null;
  /** Whether a tag is followed from then on. */
  followsTag: boolean;
  /** Whether it takes some of the protection away. */
  weakens: boolean;
  /** Whether it goes back to something older on which sessions became ready here. */
  isReturn: boolean;
  /** Overrides gates, a rejection, windows and a stop. It needs an admin, and a note. */
  force: boolean;
  note: string | null;
}

/** What is so at the moment of a change. */
export interface ProtectionFacts {
  environment: string;
  /** Who asks for it; null where nobody knows, as with what a registry passes on. */
  actor: { tokenId: string; role: TokenRole | null } | null;
  stop: Stop | null;
  /** Null where its windows let it be changed. */
  closed: Closed | null;
  /** Of the digest that it brings in. */
  rejection: Rejection | null;
  /** Of the same. */
  gates: readonly GateResult[];
}

/** What a change meets. */
export interface Judgement {
  /** Why it may not be, the weightiest first; empty where it may. */
  refusals: Failure[];
  /** All gates that it has to meet, met or not. */
  gates: readonly GateResult[];
  /** How many have to approve of it. */
  approvals: number;
  /** What `force` has overridden; null where nothing stood in the way. */
  forced: string[] | null;
}

interface Minded {
  changers: boolean;
  stop: boolean;
  windows: boolean;
  gates: boolean;
  /** That a digest was rejected, and that a tag is followed. */
  digest: boolean;
  approvals: boolean;
}

const all: Minded = {
  changers: true,
  stop: true,
  windows: true,
  gates: true,
  digest: true,
  approvals: true,
};
const nothing: Minded = {
  changers: false,
  stop: false,
  windows: false,
  gates: false,
  digest: false,
  approvals: false,
};

/**
 * What each change minds. Gates keep digests out, and not the removal of gates. A stop is taken back by whoever may, whatever stands
 * in the windows: else nobody could.
 */
function minded(protection: Protection, { kind, weakens, isReturn }: Proposal): Minded {
  switch (kind) {
    case "rollback":
      return isReturn && protection.emergency_rollback !== false
        ? { ...all, windows: false, gates: false, approvals: false }
        : all;
    case "settings":
      return weakens ? { ...all, changers: false, gates: false, digest: false } : nothing;
    case "cluster":
      return { ...all, gates: false, digest: false };
    case "delete":
      return { ...all, changers: false, gates: false, digest: false };
    case "unstop":
      return { ...nothing, approvals: true };
    default:
      return all;
  }
}

/** Whether something protects an environment. */
export function isProtected(protection: Protection, stop: Stop | null): boolean {
  return stop !== null || protectionFields.some((field) => protects(protection, field));
}

function protects(protection: Protection, field: keyof Protection): boolean {
  const value = protection[field];
  if (value === undefined) return false;
  if (field === "follow") return value === "candidate";
  if (field === "approvals") return value !== 0;
  if (field === "allow_spawn_tag") return value === false;
  if (field === "windows") return protection.windows?.length !== 0;
  return field === "emergency_rollback" ? value === false : value !== false;
}

/**
 * Judges a change: the one place that decides whether what an environment resolves to, or may, is changed. A pure function of its
 * protection as it was before, and of the facts.
 * @returns what it meets; a caller carries it out where nothing refuses it, and enough have approved of it
 */
export function judgeChange(protection: Protection, proposal: Proposal, facts: ProtectionFacts): Judgement {
  const minds = minded(protection, proposal);
  const role = facts.actor?.role ?? null;
  const gates = minds.gates && proposal.digest !== null ? facts.gates : [];
  const approvals = minds.approvals ? (protection.approvals ?? 0) : 0;
  const refusals: Failure[] = [];
  if (minds.changers && !mayChange(protection.changers, facts)) refusals.push(notAChanger(protection, facts));
  if (needsAdmin(protection, proposal, facts.stop) && role !== "admin") {
    refusals.push(
      fail(
        "forbidden",
        `environment \`${facts.environment}\` is protected: this takes a token with the role \`admin\``,
      ).error,
    );
  }
  if (minds.digest && protection.require_digest === true && proposal.followsTag) {
    refusals.push(
      fail(
        "digest_required",
        `environment \`${facts.environment}\` is pinned to digests only (\`require_digest\`); name the image by its digest`,
      ).error,
    );
  }
  const forcible: Failure[] = [];
  if (minds.stop && facts.stop) forcible.push(stopped(facts.environment, facts.stop));
  if (minds.windows && facts.closed) forcible.push(frozen(facts.environment, facts.closed));
  if (minds.digest && facts.rejection) forcible.push(rejected(facts.environment, facts.rejection));
  if (!areMet(gates)) forcible.push(gatesNotMet(facts.environment, gates));
  if (!proposal.force) return { refusals: [...refusals, ...forcible], gates, approvals, forced: null };
  const mayForce = checkForce(proposal, role);
  return {
    refusals: mayForce === null ? refusals : [...refusals, mayForce],
    gates,
    approvals,
    forced: forcible.length === 0 ? null : forcible.map(({ code }) => code),
  };
}

function mayChange(changers: Changers | undefined, { actor }: ProtectionFacts): boolean {
  if (changers === undefined) return true;
  if (!actor) return false;
  const byRole = actor.role !== null && changers.roles?.some((role) => role === actor.role) === true;
  return byRole || changers.tokens?.includes(actor.tokenId) === true;
}

/** Whoever takes protection away has to be an admin; so has who deletes a protected environment or moves it to another cluster. */
function needsAdmin(protection: Protection, { kind, weakens }: Proposal, stop: Stop | null): boolean {
  if (kind === "cluster" || kind === "delete") return isProtected(protection, stop);
  return kind === "unstop" || (kind === "settings" && weakens);
}

/** Null where it may be forced. */
function checkForce({ note }: Proposal, role: TokenRole | null): Failure | null {
  if (role !== "admin") return fail("forbidden", "`force` takes a token with the role `admin`").error;
  return note === null || note.trim() === ""
    ? fail("bad_request", "`force` takes a `note` that says why").error
    : null;
}

function notAChanger({ changers }: Protection, { environment }: ProtectionFacts): Failure {
  const roles = (changers?.roles ?? []).map((role) => `the role \`${role}\``);
  const tokens = (changers?.tokens ?? []).map((id) => `token \`${id}\``);
  const who = [...roles, ...tokens].join(" or ");
  return fail(
    "forbidden",
    `environment \`${environment}\` may be changed by ${who === "" ? "nobody" : who} only`,
  ).error;
}

function stopped(environment: string, { reason, tokenName, at }: Stop): Failure {
  return fail(
    "environment_stopped",
    `environment \`${environment}\` is stopped since ${iso(at)} by ${tokenName}: ${reason}; an admin can unfreeze it`,
    { details: { reason, stopped_by: tokenName, stopped_at: iso(at) } },
  ).error;
}

function frozen(environment: string, closed: Closed): Failure {
  const { opensAt } = closed;
  return fail("environment_frozen", `environment \`${environment}\` is frozen: ${closedMessage(closed)}`, {
    details: opensAt === null ? {} : { opens_at: iso(opensAt) },
  }).error;
}

function rejected(environment: string, { digest, note, tokenName, at }: Rejection): Failure {
  const why = note === null ? "" : `: ${note}`;
  return fail(
    "digest_rejected",
    `environment \`${environment}\` was rolled back from ${digest} at ${iso(at)} by ${tokenName}${why}; ` +
      "lift the rejection, or use `force`",
    { details: { digest, rejected_by: tokenName, rejected_at: iso(at), ...(note === null ? {} : { note }) } },
  ).error;
}

function gatesNotMet(environment: string, gates: readonly GateResult[]): Failure {
  const open = gates.filter(({ state }) => state !== "passed").map(gateText);
  return fail("gate_not_met", `gates of environment \`${environment}\` are not met: ${open.join("; ")}`, {
    details: { gates: gates.map(gateView) },
  }).error;
}

/** A gate as answers carry it. Times are RFC 3339. */
export function gateView({ passesAt, minSamples, ...gate }: GateResult) {
  return {
    ...gate,
    ...(passesAt === undefined ? {} : { passes_at: iso(passesAt) }),
    ...(minSamples === undefined ? {} : { min_samples: minSamples }),
  };
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
