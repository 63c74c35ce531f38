import { type ArmCounts, failedShareOf, failuresOf, samplesOf } from "./arm-counts.ts";

/** What an external check says of an image. */
export const checkStates = ["pending", "passed", "failed"] as const;
/** One of these. */
export type CheckState = (typeof checkStates)[number];

/** What a digest has to have shown before it may come into an environment. What is left out is not asked for. */
export interface Gates {
  /** The environments that it may come from: those that resolve to it now, in one stay without a break. */
  from?: string[] | undefined;
  /** How many of these have to meet all that is asked of them; any where it is left out. */
  match?: "any" | "all" | undefined;
  /** Sessions that became ready on it. */
  min_ready?: number | undefined;
  /** Of the sessions with an outcome, the share that may have failed, from 0 to 1. */
  max_failed_share?: number | undefined;
  /** Before so many have an outcome, their share says nothing; `defaultMinSamples` where it is left out. */
  min_samples?: number | undefined;
  /** How long it has been there. */
  soak_seconds?: number | undefined;
  /** Names of external checks, each of which has to have passed. */
  checks?: string[] | undefined;
}

/** Fewer sessions say little of a share: one failure of five may be anything. */
export const defaultMinSamples = 20;

/** How an upstream environment stands to a digest. Its canary does not matter: its base is meant. */
export interface Upstream {
  environment: string;
  /** Whether it resolves to it now. */
  isOnDigest: boolean;
  /** Since when, in milliseconds since the epoch. */
  since: number;
  /** What became of the sessions of this stay. */
  counts: ArmCounts;
}

/** All that is known of a digest as far as gates ask for it. */
export interface GateEvidence {
  /** Those of `from` that there are. */
  upstreams: readonly Upstream[];
  /** The newest of each name. */
  checks: ReadonlyMap<string, CheckState>;
}

/** A gate, and how far it is met. */
export type GateResult = {
  /** The setting that it comes from. */
  name: "from" | "min_ready" | "max_failed_share" | "soak_seconds" | "checks";
  /** Pending: not met yet, and may be by itself. Neither that nor failed is met. */
  state: CheckState;
  have: number | string[] | null;
  need: number | string[];
  /** The upstream that it was judged by. */
  environment?: string;
  /** When it is met if nothing interrupts it, in milliseconds since the epoch. */
  passesAt?: number;
  /** The sessions that a share is of, and how many it takes. */
  samples?: number;
  minSamples?: number;
};

/**
 * Judges every gate by what the digest shows at this moment: what was met once may be open again.
 * @param now milliseconds since the epoch
 * @returns one result for each setting, in their order. Of several upstreams, `any`: by the one that comes nearest; `all`: each by the one
 *   that is the furthest from it
 */
export function judgeGates(gates: Gates, evidence: GateEvidence, now: number): GateResult[] {
  const { from, match = "any", checks } = gates;
  const results = from === undefined ? [] : ofUpstreams(gates, from, match, evidence.upstreams, now);
  return checks === undefined ? results : [...results, judgeChecks(checks, evidence.checks)];
}

/** Whether all of them are met. */
export function areMet(results: readonly GateResult[]): boolean {
  return results.every(({ state }) => state === "passed");
}

function ofUpstreams(
  gates: Gates,
  from: readonly string[],
  match: "any" | "all",
  upstreams: readonly Upstream[],
  now: number,
): GateResult[] {
  const judged = from.map((environment) => {
    const known = upstreams.find((upstream) => upstream.environment === environment);
    return judgeUpstream(gates, from, known ?? absent(environment), now);
  });
  const [first = []] = judged;
  const arrived = from.filter((name) =>
    upstreams.some(({ environment, isOnDigest }) => isOnDigest && environment === name),
  );
  const chosen =
    match === "any"
      ? judged.reduce((best, results) => (distance(results) < distance(best) ? results : best), first)
      : first.map((_, i) =>
          judged
            .flatMap((results) => results[i] ?? [])
            .reduce((worst, result) => (openness[result.state] > openness[worst.state] ? result : worst)),
        );
  return chosen.map((result) => (result.name === "from" ? { ...result, have: arrived } : result));
}

function absent(environment: string): Upstream {
  return {
    environment,
    isOnDigest: false,
    since: 0,
    counts: { started: 0, ready: 0, failed: {}, crashed: 0 },
  };
}

const openness: Readonly<Record<CheckState, number>> = { passed: 0, pending: 1, failed: 100 };

function distance(results: readonly GateResult[]): number {
  return results.reduce((sum, { state }) => sum + openness[state], 0);
}

/** What is asked of one upstream. Where it does not resolve to the digest, nothing that it has seen of it counts. */
function judgeUpstream(
  { min_ready, max_failed_share, min_samples = defaultMinSamples, soak_seconds }: Gates,
  from: readonly string[],
  { environment, isOnDigest, since, counts }: Upstream,
  now: number,
): GateResult[] {
  const results: GateResult[] = [
    { name: "from", state: isOnDigest ? "passed" : "failed", have: [], need: [...from], environment },
  ];
  if (min_ready !== undefined) {
    const have = isOnDigest ? counts.ready : 0;
    results.push({
      name: "min_ready",
      state: have >= min_ready ? "passed" : "pending",
      have,
      need: min_ready,
      environment,
    });
  }
  if (max_failed_share !== undefined) {
    const samples = isOnDigest ? samplesOf(counts) : 0;
    const have = samples === 0 ? null : failedShareOf(counts);
    results.push({
      name: "max_failed_share",
      state: shareState(isOnDigest ? counts : null, max_failed_share, min_samples),
      have,
      need: max_failed_share,
      environment,
      samples,
      minSamples: min_samples,
    });
  }
  if (soak_seconds !== undefined) {
    const have = isOnDigest ? Math.max(0, Math.floor((now - since) / 1000)) : 0;
    results.push({
      name: "soak_seconds",
      state: isOnDigest && have >= soak_seconds ? "passed" : "pending",
      have,
      need: soak_seconds,
      environment,
      ...(isOnDigest && have < soak_seconds ? { passesAt: since + soak_seconds * 1000 } : {}),
    });
  }
  return results;
}

function shareState(counts: ArmCounts | null, max: number, minSamples: number): CheckState {
  if (!counts || samplesOf(counts) < minSamples) return "pending";
  // In whole numbers: 3 of 20 are not more than 0.15.
  return failuresOf(counts) <= max * samplesOf(counts) + 1e-9 ? "passed" : "failed";
}

function judgeChecks(names: readonly string[], states: ReadonlyMap<string, CheckState>): GateResult {
  const passed = names.filter((name) => states.get(name) === "passed");
  const failed = names.some((name) => states.get(name) === "failed");
  const open = failed ? "failed" : "pending";
  return {
    name: "checks",
    state: passed.length === names.length ? "passed" : open,
    have: passed,
    need: [...names],
  };
}

/**
 * Whether an environment may have these upstreams: each has to exist, and none may have its own way back to it, or no digest
 * could ever come in.
 * @param upstreamsOf those of the service's environments; undefined where there is none of the name
 * @returns what is wrong, as a sentence; null where nothing is
 */
export function upstreamFault(
  environment: string,
  from: readonly string[],
  upstreamsOf: (environment: string) => readonly string[] | undefined,
): string | null {
  const way = new Map<string, string>();
  const open = [...from];
  for (const name of from) way.set(name, environment);
  for (let next = open.shift(); next !== undefined; next = open.shift()) {
    if (next === environment) return `\`gates.from\` leads in a circle: ${circle(environment, way)}`;
    const further = upstreamsOf(next);
    if (further === undefined && from.includes(next)) {
      return `\`gates.from\` names the environment \`${next}\`, which this service does not have`;
    }
    for (const name of further ?? []) {
      if (way.has(name)) continue;
      way.set(name, next);
      open.push(name);
    }
  }
  return null;
}

function circle(environment: string, way: ReadonlyMap<string, string>): string {
  const steps = [environment];
  for (let at = way.get(environment); at !== undefined && at !== environment; at = way.get(at))
    steps.push(at);
  return [...steps, environment].map((name) => `\`${name}\``).join(" from ");
}

/**
 * What a person reads of a gate.
 * @example gateText({ name: "min_ready", state: "pending", have: 3, need: 20, environment: "staging" })
 *   // "min_ready: 3 of 20 in `staging` (pending)"
 */
export function gateText({ name, state, have, need, environment, samples, minSamples }: GateResult): string {
  const where = environment === undefined ? "" : ` in \`${environment}\``;
  switch (name) {
    case "from":
      return `from: none of ${listed(need)} resolves to it (${state})`;
    case "checks":
      return `checks: ${listed(have)} of ${listed(need)} (${state})`;
    case "max_failed_share": {
      const share = typeof have === "number" ? `${(have * 100).toFixed(1)} % failed` : "nothing known";
      const limit = typeof need === "number" ? `${need * 100} %` : "";
      return `max_failed_share: ${share} of ${samples} sessions${where}, at most ${limit} of at least ${minSamples} (${state})`;
    }
    case "soak_seconds":
      return `soak_seconds: ${have} s of ${need} s${where} (${state})`;
    case "min_ready":
      return `min_ready: ${have} of ${need}${where} (${state})`;
  }
}

function listed(names: GateResult["have"]): string {
  if (!Array.isArray(names) || names.length === 0) return "none";
  return names.map((name) => `\`${name}\``).join(", ");
}
