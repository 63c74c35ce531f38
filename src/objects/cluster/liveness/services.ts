import { fanOutBegun, nextOfFanOut } from "../../../domain/fan-out.ts";
import { allServicesComparedEveryMs, servicesJudgedAtOnce } from "../../../domain/limits.ts";
import type { FailureLog } from "../../failures/failure-log.ts";

export interface ServicesPorts {
  /** The service that has a code: null where none of this account has it. */
  lookup(code: string): Promise<string | null>;
  /** Every service of the account that may have backends. */
  everyService(): Promise<readonly { code: string; service: string }[]>;
}

/**
 * Which services a cluster's heartbeats are reconciled with, each by its code. Spawns do not pass through this object: it
 * learns of a service from the backends that agents list. What no list has ever shown is found by a request to every service:
 * when this object has awoken, when the agents have changed, which may have lost it, and every few minutes.
 */
export class ReconciledServices {
  readonly #ports: ServicesPorts;
  readonly #failures: FailureLog;
  /** A code's service never changes. */
  readonly #names = new Map<string, string>();
  /** Those that have backends here, or have given no verdict. */
  readonly #concerned = new Set<string>();
  /** Of every service, those that are still to be compared once. */
  readonly #unjudged = new Set<string>();
  #judgedAfter = "";
  #everyServiceDueAt = 0;

  constructor(ports: ServicesPorts, failures: FailureLog) {
    this.#ports = ports;
    this.#failures = failures;
  }

  /** An agent has sent its first heartbeat, or is gone. */
  agentsChanged(): void {
    this.#everyServiceDueAt = 0;
  }

  /**
   * The services that are to judge at `now` what an agent lists, which has backends of these codes.
   * @returns their names by code, and the codes that no service of this account has; a code that cannot be looked up
   *   for now is in neither
   */
  async due(
    codes: readonly string[],
    now: number,
  ): Promise<{ services: Map<string, string>; strangers: Set<string> }> {
    const strangers = new Set<string>();
    const [every] = await Promise.all([
      now >= this.#everyServiceDueAt ? this.#everyService(now) : [],
      ...codes.map(async (code) => {
        if ((await this.#nameOf(code)) === null) strangers.add(code);
      }),
    ]);
    for (const { code, service } of every) this.#names.set(code, service);
    for (const { code } of every) this.#unjudged.add(code);
    const wanted = new Set([...codes, ...this.#concerned, ...this.#unjudged]);
    const services = new Map<string, string>();
    for (const code of this.#inTurn([...wanted])) {
      const name = this.#names.get(code);
      this.#unjudged.delete(code);
      if (name !== undefined) services.set(code, name);
    }
    return { services, strangers };
  }

  /** The next of them, at most as many as judge one heartbeat; the others have their turn with later ones. */
  #inTurn(codes: readonly string[]): string[] {
    const next = nextOfFanOut(codes, { after: this.#judgedAfter, failed: [] }, servicesJudgedAtOnce);
    const rest = servicesJudgedAtOnce - next.length;
    const first = nextOfFanOut(codes, fanOutBegun, rest).filter((code) => code <= this.#judgedAfter);
    const chosen = [...next, ...first];
    this.#judgedAfter = codes.length > chosen.length ? (chosen.at(-1) ?? "") : "";
    return chosen;
  }

  /** @param liveBackends how many a service has here; null where it gave no verdict */
  reconciled(code: string, liveBackends: number | null): void {
    if (liveBackends === 0) this.#concerned.delete(code);
    else this.#concerned.add(code);
  }

  async #everyService(now: number) {
    const every = await this.#failures.attempt("list the account's services", () =>
      this.#ports.everyService(),
    );
    if (every === null) return [];
    this.#everyServiceDueAt = now + allServicesComparedEveryMs;
    return every.value;
  }

  /** @returns undefined where the directory could not be reached */
  async #nameOf(code: string): Promise<string | null | undefined> {
    const known = this.#names.get(code);
    if (known !== undefined) return known;
    const found = await this.#failures.attempt("look up a service's code", () => this.#ports.lookup(code));
    if (found?.value) this.#names.set(code, found.value);
    return found?.value;
  }
}
