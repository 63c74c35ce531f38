import { z } from "zod";
import { idAlphabet } from "../../../src/domain/ids.ts";

/** How much of everything one service has. What is made of it is the same each time, so that both sides can name it. */
export const population = z.object({
  images: z.int().positive(),
  /** Live backends, each with a key. */
  live: z.int().positive(),
  /** Ended backends, over all shards. */
  ended: z.int().nonnegative(),
  environments: z.int().positive(),
  /** Of each environment. */
  revisions: z.int().positive(),
  /** Of each environment, evenly over the last 29 days. */
  usageMinutes: z.int().nonnegative(),
  /** Of the account. */
  events: z.int().nonnegative(),
});
export type Population = z.infer<typeof population>;

export const smallPopulation: Population = {
  images: 10,
  live: 10,
  ended: 10,
  environments: 10,
  revisions: 10,
  usageMinutes: 10,
  events: 10,
};

/** @param share of the large state, for quick runs */
export function largePopulation(share: number): Population {
  const of = (count: number) => Math.max(10, Math.round(count * share));
  return {
    images: of(100_000),
    live: of(10_000),
    ended: of(100_000),
    environments: of(1_000),
    revisions: 20,
    usageMinutes: 200,
    // Below what is kept: at the bound every event would delete one.
    events: of(99_000),
  };
}

/** `POST /bench/seed`: what is to be made, and of which service. */
export const seedPlan = z.object({ account: z.string(), service: z.string(), population });
export type SeedPlan = z.infer<typeof seedPlan>;

/** The answer to it: the service's code. */
export const seeded = z.object({ code: z.string() });

/** The type of the first events, which are few: what a filter finds that matches little. */
export const rareEventType = "environment.deleted";
export const rareEvents = 5;

/** The environment that a service has from the start. */
export const firstEnvironment = "default";

/** A tag for each image. The newest image is the last one. */
export function tagOf(image: number): string {
  return `build-${image}`;
}

export function digestOf(image: number): string {
  return `sha256:${image.toString(16).padStart(64, "0")}`;
}

export function environmentOf(environment: number): string {
  return environment === 0 ? firstEnvironment : `environment-${environment}`;
}

/** Which image backends and environments have: one of the newest, and not all of them. */
export function imageInUse(i: number, { images }: Pick<Population, "images">): number {
  return images - 1 - (i % Math.min(50, Math.ceil(images / 2)));
}

/** Where a live backend is: half of them in the first environment, the rest in all. */
export function environmentOfLive(live: number, { environments }: Pick<Population, "environments">): number {
  return live % 2 === 0 ? 0 : ((live - 1) / 2) % environments;
}

export function keyOf(live: number): string {
  return `document-${live}`;
}

/** The fencing token of a backend. Live ones are younger than those that have ended. */
export function tokenOf(
  backend: { live: number } | { ended: number },
  { ended }: Pick<Population, "ended">,
): number {
  return "live" in backend ? ended + 1 + backend.live : 1 + backend.ended;
}

/** The id of the backend with a fencing token: in one shard after the other, and in no order within one. */
export function backendIdOf(code: string, token: number): string {
  // An odd factor maps 32 bits onto themselves.
  let rest = Math.imul(token, 2_654_435_761) >>> 0;
  let random = "";
  for (let i = 0; i < 7; i++) {
    random = idAlphabet.charAt(rest % 32) + random;
    rest = Math.floor(rest / 32);
  }
  return code + idAlphabet.charAt(token % 32) + random;
}
