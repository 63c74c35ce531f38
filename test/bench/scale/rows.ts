import { eventsReadForPage } from "../../../src/domain/limits.ts";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import {
  digestOf,
  environmentOf,
  environmentOfLive,
  firstEnvironment,
  imageInUse,
  keyOf,
  tagOf,
} from "./population.ts";
import { answerOf, type World } from "./world.ts";

/** A request of the table. */
export interface Row {
  request: string;
  /** Each is a change, which the next one needs: there are a fixed number of them. */
  writes?: true;
  /** What it answers is that much longer in the large state: for so many items the ratio says nothing. */
  page?: number;
  /** What it looks at whatever it matches, in rows: of this the ratio says nothing either. */
  looksAt?: number;
  /** Brings about what it is measured in. */
  prepare?(world: World): Promise<void>;
  /** One request, to its answer's end. */
  act(world: World): Promise<unknown>;
  /** Undoes what was not there before. */
  cleanUp?(world: World): Promise<void>;
}

const service = "/v3/accounts/bench/services/hello";
const jamsocket = "/v2/service/bench/hello";
const environment = `${service}/environments/${firstEnvironment}`;
const connectPathIn = (name: string) => `${jamsocket}/${name}/connect`;
const connectPath = connectPathIn(firstEnvironment);
const page = "/service/bench/hello";
/** Jamsocket's clients have all environments in one answer. */
const environmentsInAnswer = 1_000;
/** What one sends that does not know how to send changes. */
const backendsInList = 10_000;
const dayMs = 24 * 60 * 60_000;

const get = (request: string, path: string | ((world: World) => string), extra: Partial<Row> = {}): Row => ({
  request,
  act: (world) => world.send("GET", typeof path === "string" ? path : path(world)),
  ...extra,
});

const show = (request: string, path: string, extra: Partial<Row> = {}): Row => ({
  request,
  act: (world) => world.page(path),
  ...extra,
});

/** Connects to a live backend that was seeded. */
export function connectTo(world: World, live: number): Promise<string> {
  const name = environmentOf(environmentOfLive(live, world.population));
  return world.send("POST", connectPathIn(name), { body: { key: keyOf(live) } });
}

/** The row of a connect to a backend that is there. It is the first request after an awakening, too. */
export const heldKey: Row = {
  request: "held key",
  act: (world) => connectTo(world, 0),
};

/** Requests that change nothing, or nothing that others would notice. */
const questions: readonly Row[] = [
  heldKey,
  get("resolve", `${environment}/resolve`),
  get("service info", jamsocket, { page: environmentsInAnswer }),
  get("v3 service", service),
  get("image-name", "/service/bench/hello/image-name"),
  get("environments list, 10", `${service}/environments?limit=10`),
  get("environments list, 50", `${service}/environments?limit=50`, { page: 50 }),
  get("images, 10", `${service}/images?limit=10`),
  get("images, 50", `${service}/images?limit=50`, { page: 50 }),
  get("images, 200", `${service}/images?limit=200`, { page: 200 }),
  get("image detail", ({ population }) => `${service}/images/${digestOf(imageInUse(0, population))}`),
  get("backends, 50", `${service}/backends?limit=50`, { page: 50 }),
  get("backends, ?key=", `${service}/backends?key=${keyOf(1)}`),
  get("backends, 1", `${service}/backends?limit=1`),
  get("ended, 10", `${service}/backends?status=terminated&limit=10`),
  get("ended, 50", `${service}/backends?status=terminated&limit=50`, { page: 50 }),
  {
    request: "typo in a tag",
    act: (world) => world.send("POST", connectPath, { body: { spawn: { tag: "bulid-7" } }, status: 404 }),
  },
  {
    request: "usage, 30 days, one environment",
    async act(world) {
      const from = new Date(Date.now() - 30 * dayMs + 60_000).toISOString();
      const token = await world.narrowToken();
      return world.send("GET", `${service}/usage?step_seconds=86400&from=${from}`, { token });
    },
  },
  get("events, little matches", "/v3/accounts/bench/events?type=environment.deleted", {
    // Once to compare them with the filter, and once to know where the next page begins.
    looksAt: 2 * eventsReadForPage,
  }),
  show("page of services", "/", { page: 50 }),
  show("page of the service", page, { page: 50 }),
  show("page of backends", `${page}/backends`, { page: 50 }),
  show("page of images", `${page}/images`, { page: 50 }),
  show("page of an environment", `${page}/environment/${firstEnvironment}`, { page: 50 }),
];

async function spawn(world: World): Promise<void> {
  const answer = await world.send("POST", connectPath, { body: {} });
  world.spawned.push(answerOf(connectAnswer, answer).backend_id);
}

/** Requests that change something. What an earlier one has made is what a later one changes. */
const changes: readonly Row[] = [
  {
    request: "spawn",
    writes: true,
    act: spawn,
  },
  {
    // What was kept of the live backends is of no use any more, where it is not kept up.
    request: "spawn, and service info",
    writes: true,
    page: environmentsInAnswer,
    async act(world) {
      await spawn(world);
      await world.send("GET", jamsocket);
    },
  },
  {
    request: "status report",
    writes: true,
    async act(world) {
      const id = world.spawned[world.next("reported")] ?? "";
      await world.report(id, { status: "ready", url: `http://${id}.cluster.test` });
    },
  },
  {
    request: "terminate one",
    writes: true,
    act: (world) => world.send("POST", `/v2/backend/${world.spawned[world.next("terminated")]}/terminate`),
    async cleanUp(world) {
      for (const id of world.spawned) await world.report(id, { status: "terminated", exit_code: 0 });
    },
  },
  {
    request: "push of a new tag",
    writes: true,
    async act(world) {
      const i = world.population.images + world.next("pushed");
      const body = { digest: digestOf(i), tag: tagOf(i) };
      await world.send("POST", `${service}/images`, { body });
      world.pushed.push(body.digest);
    },
  },
  {
    request: "delete image",
    writes: true,
    act: (world) => world.send("DELETE", `${service}/images/${world.pushed[world.next("deleted")]}`),
  },
  {
    request: "pin",
    writes: true,
    act(world) {
      const image = tagOf(imageInUse(world.next("pinned"), world.population));
      return world.send("PUT", `${environment}/pin`, { body: { image } });
    },
  },
  {
    request: "create environment",
    writes: true,
    act(world) {
      const body = { name: `created-${world.next("created")}`, image: tagOf(0) };
      return world.send("POST", `${service}/environments`, { body });
    },
    async cleanUp(world) {
      const created = world.next("created");
      for (let i = 0; i < created; i++) {
        await world.send("DELETE", `${service}/environments/created-${i}`);
      }
    },
  },
];

/** Heartbeats, and a list while they come: last and quickly, since what agents that fall silent have run is lost. */
const heartbeats: readonly Row[] = [
  {
    request: "heartbeat, each of 50 agents with 200",
    prepare: (world) => world.beatAll(),
    act: (world) => world.beat(world.next("beaten") % world.agentCount),
  },
  get("backends, 50, while agents report", `${service}/backends?limit=50`, {
    page: 50,
    prepare: (world) => world.beatAll(),
  }),
  {
    request: "heartbeat, one agent with all",
    prepare: (world) => world.beatForAll(),
    act: (world) => world.beatForAll(),
  },
  {
    request: "heartbeat, the whole list of one agent",
    page: backendsInList,
    prepare: (world) => world.beatWhole(),
    act: (world) => world.beatWhole(),
  },
];

export const rows: readonly Row[] = [...questions, ...changes, ...heartbeats];
