import { fanOutBegun, nextOfFanOut } from "../../../domain/fan-out.ts";
import {
  allServicesComparedEveryMs,
  codesLookedUpAtOnce,
  serviceNamesKept,
  serviceNamesPerCall,
  servicesJudgedAtOnce,
} from "../../../domain/limits.ts";
import type { FailureLog } from "../../failures/failure-log.ts";

export interface ServicesPorts {
  /** The service that has a code: null where none of this account has it. */
  lookup(code: string): Promise<string | null>;
  /** The services of the account that may have backends, after a name: at most `serviceNamesPerCall`, by name. */
  servicesAfter(name: string): Promise<readonly { code: string; service: string }[]>;
}

/**
 * Which services a cluster's heartbeats are reconciled with, each by its code. Spawns do not pass through this object: it
 * learns of a service from the backends that agents list. What no list has ever shown is found by a request to every service:
 * when this object has awoken, when the agents have changed, which may have lost it, and every few minutes.
 */
export class ReconciledServices {
  readonly #ports: ServicesPorts;
  readonly #failures: FailureLog;
  /** The one that was needed last comes last. A code is another's only long after nothing of its service lives. */
  readonly #names = new Map<string, string>();
  /** Those that have backends here which no agent lists, or have given no verdict. */
  readonly #concerned = new Set<string>();
  /** Of every service, those that are still to be compared once. */
  readonly #unjudged = new Set<string>();
  #judgedAfter = "";
  #lookedUpAfter = "";
  #everyServiceDueAt = 0;
  /** How far the list of every service has been read. */
  #everyServiceAfter = "";

  constructor(ports: ServicesPorts, failures: FailureLog) {
    this.#ports = ports;
    this.#failures = failures;
  }

  /** An agent has sent its first heartbeat, or is gone. */
  agentsChanged(): void {
    this.#everyServiceDueAt = 0;
    this.#everyServiceAfter = "";
    for (const code of this.#names.keys()) this.#unjudged.add(code);
  }

  /**
   * The services that are to judge at `now` what an agent lists, which has backends of these codes, and what no agent lists. A
   * service whose backends only other agents list has nothing to judge.
   * @returns their names by code, and the codes that no service of this account has; a code that cannot be looked up
   *   for now, or whose turn to be looked up has not come, is in neither
   */
  async due(
    codes: readonly string[],
    now: number,
  ): Promise<{ services: Map<string, string>; strangers: Set<string> }> {
    const strangers = new Set<string>();
    const unknown = inTurn(
      codes.filter((code) => !this.#names.has(code)),
      this.#lookedUpAfter,
      codesLookedUpAtOnce,
    );
    this.#lookedUpAfter = unknown.last;
    const [every] = await Promise.all([
      now >= this.#everyServiceDueAt ? this.#everyService(now) : [],
      ...unknown.chosen.map(async (code) => {
        if ((await this.#lookUp(code)) === null) strangers.add(code);
      }),
    ]);
    for (const { code, service } of every) this.#names.set(code, service);
    for (const { code } of every) this.#unjudged.add(code);
    const wanted = new Set([...codes, ...this.#concerned, ...this.#unjudged]);
    const services = new Map<string, string>();
    this.#dropNames(wanted);
    const judging = inTurn([...wanted], this.#judgedAfter, servicesJudgedAtOnce);
    this.#judgedAfter = judging.last;
    for (const code of judging.chosen) {
      const name = this.#names.get(code);
      this.#unjudged.delete(code);
      if (name !== undefined) services.set(code, name);
    }
    return { services, strangers };
  }

  /** @param unlisted how many backends a service has here that no agent lists; null where it gave no verdict */
  reconciled(code: string, unlisted: number | null): void {
    if (unlisted === 0) this.#concerned.delete(code);
    else this.#concerned.add(code);
  }

  async #everyService(now: number) {
    const after = this.#everyServiceAfter;
    const every = await this.#failures.attempt("list the account's services", () =>
      this.#ports.servicesAfter(after),
    );
    // An agent may have come or gone meanwhile, for which all are to be read anew.
    if (every === null || this.#everyServiceAfter !== after) return every?.value ?? [];
    const last = every.value.at(-1);
    const isMore = last !== undefined && every.value.length >= serviceNamesPerCall;
    // The next heartbeat reads the next page.
    this.#everyServiceAfter = isMore ? last.service : "";
    if (!isMore) this.#everyServiceDueAt = now + allServicesComparedEveryMs;
    return every.value;
  }

  /** Drops names above their bound, of which nothing is here to be judged. */
  #dropNames(wanted: ReadonlySet<string>): void {
    for (const code of wanted) {
      const name = this.#names.get(code);
      if (name !== undefined && this.#names.delete(code)) this.#names.set(code, name);
    }
    for (const code of this.#names.keys()) {
      if (this.#names.size <= serviceNamesKept) return;
      if (!wanted.has(code)) this.#names.delete(code);
    }
  }

  /** @returns undefined where the directory could not be reached */
  async #lookUp(code: string): Promise<string | null | undefined> {
    const found = await this.#failures.attempt("look up a service's code", () => this.#ports.lookup(code));
    if (found?.value) this.#names.set(code, found.value);
    return found?.value;
  }
}

/** The next codes, at most so many, and the first ones again after the last. @returns `last`: where the next turn begins */
function inTurn(codes: readonly string[], after: string, atMost: number): { chosen: string[]; last: string } {
  const next = nextOfFanOut(codes, { after, failed: [] }, atMost);
  const first = nextOfFanOut(codes, fanOutBegun, atMost - next.length).filter((code) => code <= after);
  const chosen = [...next, ...first];
  return { chosen, last: codes.length > chosen.length ? (chosen.at(-1) ?? "") : "" };
}
