import { z } from "zod";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { drain } from "../../../src/protocol/v3/drains.ts";
import { termination } from "../../../src/protocol/v3/terminations.ts";
import { call, createCluster, send } from "../../support/worker/api.ts";
import { digest, makeWorld, type World } from "./world.ts";

/**
 * What a narrowed token gets from every route and page, whatever it names. Beside what the token reaches (`hello`, its
 * environment `staging`) there is something of each kind that it does not, under a name that is nowhere else.
 */
export interface NarrowedWorld extends World {
  /** Of the environment `staging`. */
  ownBackend: string;
  /** Of `secret-env`, of `default` and of `secret-service`. */
  hiddenBackends: { environment: string; default: string; service: string };
  /** Of the environment `secret-env`: it has ended nothing. */
  hiddenTermination: string;
  /** Of the same: it has ended nothing. */
  hiddenDrain: string;
  /** Of the environment `staging`: it is over. */
  ownDrain: string;
}

export const service = "secret-service";
export const environment = "secret-env";
export const cluster = "secret-cluster";
/** What nothing is called, and an environment that a token is narrowed to after its deletion. */
export const nothing = "secret-nothing";
export const gone = "gone";
const anything = z.looseObject({});

export async function makeNarrowedWorld(): Promise<NarrowedWorld> {
  const world = await makeWorld();
  const { name, admin: token } = world.account;
  const services = `/v3/accounts/${name}/services`;
  await createCluster(world.account, cluster);
  await call(anything, services, { token, json: { name: service } });
  await call(anything, `${services}/${service}/images`, { token, json: { digest, tag: "latest" } });
  await call(anything, `${services}/hello/environments`, { token, json: { name: environment, image: "v1" } });
  const json = { default_environment: environment };
  await call(anything, `${services}/hello`, { method: "PATCH", token, json });
  async function connect(place: string, key: string) {
    return (await call(connectAnswer, `/v2/service/${name}/${place}/connect`, { token, json: { key } }))
      .backend_id;
  }
  const past = { environment, created_before: "2000-01-01T00:00:00Z" };
  const ended = await call(termination, `${services}/hello/terminations`, { token, json: past });
  const drainOf = async (environment: string) => {
    const json = { environment, before_revision: 1 };
    return (await call(drain, `${services}/hello/drains`, { token, json })).id;
  };
  return {
    ...world,
    hiddenTermination: ended.id,
    hiddenDrain: await drainOf(environment),
    ownDrain: await drainOf("staging"),
    ownBackend: await connect("hello/staging", "own"),
    hiddenBackends: {
      environment: await connect(`hello/${environment}`, "secret-key"),
      default: world.backendId,
      service: await connect(service, "secret-key"),
    },
  };
}

export type Narrowing = "an environment" | "a service";

export const scopes: Readonly<Record<Narrowing, { service: string; environments?: string[] }>> = {
  "an environment": { service: "hello", environments: ["staging", gone] },
  "a service": { service: "hello" },
};

/** Every name and id that the token does not reach. */
export function hiddenFrom(narrowing: Narrowing, world: NarrowedWorld): string[] {
  const { hiddenBackends: ids, hiddenTermination, hiddenDrain } = world;
  const above = [service, cluster, ids.service];
  return narrowing === "a service"
    ? above
    : [...above, environment, "secret-key", ids.environment, ids.default, hiddenTermination, hiddenDrain];
}

/** The names that a field of a body or query may be given from outside the scope; null: it names nothing outside. */
export const fields: Readonly<Record<string, Readonly<Record<Narrowing, unknown>> | null>> = {
  cluster: { "an environment": cluster, "a service": nothing },
  environment: { "an environment": environment, "a service": null },
  service_environment: { "an environment": environment, "a service": null },
  default_environment: { "an environment": environment, "a service": null },
  service: { "an environment": service, "a service": service },
  environments: { "an environment": [environment], "a service": null },
  "promote.from": { "an environment": environment, "a service": null },
  "gates.from": { "an environment": [environment], "a service": null },
  key: { "an environment": "secret-key", "a service": null },
  lock: { "an environment": "secret-key", "a service": null },
};

/** What lies outside the scope, as an admin sees it. */
export async function outsideOf(
  { account: { name, admin: token } }: World,
  narrowing: Narrowing,
): Promise<unknown> {
  const services = `/v3/accounts/${name}/services`;
  const ofService = [`${service}/environments`, `${service}/backends`, `${service}/images`];
  const ofEnvironment = [
    "hello",
    `hello/environments/${environment}`,
    `hello/environments/${environment}/history`,
  ];
  const lists = narrowing === "a service" ? ofService : [...ofService, ...ofEnvironment.slice(1)];
  const hidden = await Promise.all(
    lists.map(async (list) => (await send(`${services}/${list}`, { token })).json()),
  );
  const live = await (await send(`${services}/hello/backends?environment=${environment}`, { token })).json();
  return narrowing === "a service" ? hidden : [hidden, live];
}
