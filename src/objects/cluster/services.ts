import { allServicesComparedEveryMs } from "../../domain/limits.ts";

export interface ServicesPorts {
  /** The service that has a code: null where none of this account has it. */
  lookup(code: string): Promise<string | null>;
  /** Every service of the account that may have backends. */
  everyService(): Promise<readonly { code: string; service: string }[]>;
}

/**
 * Which services a cluster's heartbeats are held against, each by its code. Spawns tell this object nothing: it learns
 * of a service from the backends that agents list. What no list has ever shown is found by asking every service: when
 * this object has awoken, when the agents have changed, which may have lost it, and now and then.
 */
export class ServicesAsked {
  readonly #ports: ServicesPorts;
  /** A code's service never changes. */
  readonly #names = new Map<string, string>();
  /** Those that have backends here, or have not answered. */
  readonly #concerned = new Set<string>();
  #everyServiceDueAt = 0;

  constructor(ports: ServicesPorts) {
    this.#ports = ports;
  }

  /** An agent was heard for the first time, or is gone. */
  agentsChanged(): void {
    this.#everyServiceDueAt = 0;
  }

  /**
   * The services to ask at `now` about an agent that lists backends of these codes.
   * @returns their names by code, and the codes that no service of this account has; a code that cannot be looked up
   *   for now is in neither
   */
  async toAsk(
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
    const services = new Map<string, string>();
    for (const code of [...codes, ...every.map((each) => each.code), ...this.#concerned]) {
      const name = this.#names.get(code);
      if (name !== undefined) services.set(code, name);
    }
    return { services, strangers };
  }

  /** @param liveBackends how many a service has here; null where it did not answer */
  answered(code: string, liveBackends: number | null): void {
    if (liveBackends === 0) this.#concerned.delete(code);
    else this.#concerned.add(code);
  }

  async #everyService(now: number) {
    try {
      const every = await this.#ports.everyService();
      this.#everyServiceDueAt = now + allServicesComparedEveryMs;
      return every;
    } catch {
      return [];
    }
  }

  /** @returns undefined where the directory could not be asked */
  async #nameOf(code: string): Promise<string | null | undefined> {
    const known = this.#names.get(code);
    if (known !== undefined) return known;
    try {
      const name = await this.#ports.lookup(code);
      if (name !== null) this.#names.set(code, name);
      return name;
    } catch {
      return undefined;
    }
  }
}
