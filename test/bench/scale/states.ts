import { cp } from "node:fs/promises";
import { join } from "node:path";
import type { Bundle } from "../bundle.ts";
import type { Sandbox } from "../sandbox.ts";
import { type Subject, setUpSubject } from "../subject.ts";
import { startWorkerd, type Workerd } from "../workerd.ts";
import { type Population, type SeedPlan, seeded } from "./population.ts";

/** What a deployment of the bench has on its disk, while nothing serves it. */
export interface State {
  dir: string;
  population: Population;
  texts: Record<string, string>;
  /** Of the account; the origin is that of a process. */
  subject: Omit<Subject, "origin">;
  /** The service's. */
  code: string;
}

/** A process that serves a state. */
export interface Served {
  state: State;
  workerd: Workerd;
}

/**
 * Makes a service with a population, by the statements of the objects themselves.
 * @param seeding the bundle that has them
 */
export async function makeState(
  sandbox: Sandbox,
  seeding: Bundle,
  texts: Record<string, string>,
  webhookUrl: string,
  name: string,
  population: Population,
): Promise<State> {
  const dir = join(sandbox.dir, `scale-${name}`);
  const workerd = await startWorkerd(sandbox, seeding, texts, { stateDir: dir });
  try {
    const { origin, ...subject } = await setUpSubject(workerd.origin, webhookUrl);
    const plan: SeedPlan = { account: "bench", service: "hello", population };
    const response = await fetch(`${origin}/bench/seed`, { method: "POST", body: JSON.stringify(plan) });
    if (!response.ok) throw new Error(`seed: ${response.status} ${await response.text()}`);
    const { code } = seeded.parse(await response.json());
    return { dir, population, texts, subject, code };
  } finally {
    await workerd.stop();
  }
}

/** Serves a copy of a state, so that each process begins with the same. */
export async function serveCopy(
  sandbox: Sandbox,
  bundle: Bundle,
  state: State,
  name: string,
): Promise<Served> {
  const dir = `${state.dir}-${name}`;
  await cp(state.dir, dir, { recursive: true });
  return serve(sandbox, bundle, { ...state, dir });
}

/** Serves a state, also one that another process has served before. */
export async function serve(sandbox: Sandbox, bundle: Bundle, state: State): Promise<Served> {
  return { state, workerd: await startWorkerd(sandbox, bundle, state.texts, { stateDir: state.dir }) };
}
