import { BoundedMap } from "../bounded-map.ts";
import { lifetimeEnvironmentsKept, lifetimeShare, lifetimesKept } from "../limits.ts";

/** How long sessions have lived in each environment: of the last that ended there, in memory, and of a bounded number of environments. */
export class Lifetimes {
  readonly #lived = new BoundedMap<number[]>(lifetimeEnvironmentsKept);

  /** A session has ended. @param lifetimeMs from its decision to its end */
  ended(environment: string, lifetimeMs: number): void {
    const lived = this.#lived.get(environment) ?? [];
    lived.push(Math.max(0, lifetimeMs));
    if (lived.length > lifetimesKept) lived.shift();
    this.#lived.set(environment, lived);
  }

  /** What nine in ten of them did not outlive, in milliseconds; null where none was seen to end. */
  in(environment: string): number | null {
    const sorted = this.#lived.get(environment)?.toSorted((a, b) => a - b) ?? [];
    return sorted[Math.ceil(sorted.length * lifetimeShare) - 1] ?? null;
  }
}
