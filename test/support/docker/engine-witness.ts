import { Readable } from "node:stream";
import Docker from "dockerode";
import { z } from "zod";
import { jsonLines } from "../../../src/agent/runtimes/docker/json-lines.ts";

const label = (name: string) => `dev.slipway.${name}`;
const labels = z.record(z.string(), z.string());
const lifeEvent = z.object({
  Action: z.enum(["create", "start", "die"]),
  Actor: z.object({ ID: z.string(), Attributes: labels }),
  timeNano: z.number(),
});

/** A container's time from its start to its end, as the engine reports it. */
export interface ContainerLife {
  container: string;
  backendId: string;
  /** The key with its service and environment, held by at most one at a time. Null without a key. */
  key: string | null;
  fencingToken: number;
  /** Nanoseconds since the epoch, on the engine's clock. */
  from: number;
  /** Infinity while it runs. */
  to: number;
}

/** What an engine reports of the containers of backends, without Slipway in between. */
export interface EngineWitness extends AsyncDisposable {
  /** Every life that was ever begun, in the order in which they were. */
  lives: readonly ContainerLife[];
  /** How many containers were made, started and ended so far, taken together. */
  count(): number;
  /** All containers that there are now, by the backends that they are of. */
  look(): Promise<{ backendId: string; isRunning: boolean }[]>;
  /** Keys that one look found with two containers. */
  seenTwice: readonly string[];
}

export async function watchEngine(socketPath: string): Promise<EngineWitness> {
  const docker = new Docker({ host: "", socketPath });
  const lives: ContainerLife[] = [];
  const seenTwice: string[] = [];
  let count = 0;
  const filters = { type: ["container"], event: ["create", "start", "die"], label: [label("backend")] };
  const events = await docker.getEvents({ filters: JSON.stringify(filters) });
  if (!(events instanceof Readable)) throw new Error("the engine's events are no stream");

  function enter({ Action, Actor, timeNano }: z.infer<typeof lifeEvent>): void {
    count += 1;
    if (Action === "start") {
      lives.push({
        container: Actor.ID,
        backendId: Actor.Attributes[label("backend")] ?? "",
        key: keyOf(Actor.Attributes),
        fencingToken: Number(Actor.Attributes[label("fencing_token")]),
        from: timeNano,
        to: Number.POSITIVE_INFINITY,
      });
    } else if (Action === "die") {
      const ended = lives.findLast(({ container }) => container === Actor.ID);
      if (ended) ended.to = timeNano;
    }
  }
  const following = (async () => {
    for await (const line of jsonLines(events)) enter(lifeEvent.parse(line));
  })().catch((error: unknown) => {
    if (!events.destroyed) throw error;
  });

  return {
    lives,
    count: () => count,
    seenTwice,
    async look() {
      const all = await docker.listContainers({ all: true, filters: { label: [label("backend")] } });
      const keys = all.flatMap(({ State, Labels }) => (State === "running" ? (keyOf(Labels) ?? []) : []));
      seenTwice.push(...keys.filter((key, index) => keys.indexOf(key) !== index));
      return all.map(({ State, Labels }) => ({
        backendId: Labels[label("backend")] ?? "",
        isRunning: State === "running",
      }));
    },
    async [Symbol.asyncDispose]() {
      events.destroy();
      await following;
    },
  };
}

function keyOf(of: Record<string, string>): string | null {
  const key = of[label("key")];
  if (key === undefined) return null;
  return [of[label("service")], of[label("environment")], key].join("/");
}

/** What was found wrong, and about which backends. */
export interface BrokenRule {
  backendIds: string[];
  rule: string;
}

/** Violations of: a backend starts once; a key passes on only after its holder's end, to a larger fencing token. */
export function brokenByLives(lives: readonly ContainerLife[]): BrokenRule[] {
  const startedTwice = [...Map.groupBy(lives, ({ backendId }) => backendId)]
    .filter(([, ofOne]) => ofOne.length > 1)
    .map(([backendId]) => ({ backendIds: [backendId], rule: "it was started twice" }));
  const byKey = Map.groupBy(lives, ({ key }) => key);
  byKey.delete(null);
  return [...startedTwice, ...[...byKey].flatMap(([key, ofKey]) => brokenByHolders(key ?? "", ofKey))];
}

function brokenByHolders(key: string, lives: readonly ContainerLife[]): BrokenRule[] {
  const inOrder = lives.toSorted((a, b) => a.from - b.from);
  return inOrder.flatMap((life, index) =>
    inOrder.slice(0, index).flatMap((earlier) => {
      const backendIds = [earlier.backendId, life.backendId];
      return [
        ...(earlier.to > life.from ? [{ backendIds, rule: `both had the key ${key} at a time` }] : []),
        ...(earlier.fencingToken < life.fencingToken
          ? []
          : [{ backendIds, rule: `the later holder of the key ${key} has the smaller fencing token` }]),
      ];
    }),
  );
}
