import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { vi } from "vitest";
import { z } from "zod";
import { startSession } from "../../../src/edge/credentials/sessions.ts";
import { serviceStub } from "../../../src/objects/stubs.ts";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { parseAccessToken } from "../../../src/protocol/tokens/access-token.ts";
import { deliveryList } from "../../../src/protocol/v3/deliveries.ts";
import { change } from "../../../src/protocol/v3/deploys.ts";
import { drain } from "../../../src/protocol/v3/drains.ts";
import { termination } from "../../../src/protocol/v3/terminations.ts";
import {
  call,
  createAccount,
  createCluster,
  createToken,
  type TestAccount,
} from "../../support/worker/api.ts";
import { kill } from "../../support/worker/clock.ts";
import { loggedIn } from "../../support/worker/page-client.ts";

/** Of the image that environments run, and of one that none runs. */
export const digest = `sha256:${"a".repeat(64)}`;
export const spareDigest = `sha256:${"b".repeat(64)}`;

/**
 * An account with something behind every name of a path: clusters `main` and `spare`, a service `hello` with two images
 * and the environments `default`, which has a live backend, and `staging`, which has none.
 */
export interface World {
  account: TestAccount;
  agentToken: string;
  /** Of somebody who reads, with every right. */
  rightfulToken: string;
  backendId: string;
  connectionToken: string;
}

const anything = z.looseObject({});

/** Makes a world. Its requests count as made before the test began: the clock is the test's. */
export async function makeWorld(): Promise<World> {
  const account = await createAccount();
  const { agent_token } = await createCluster(account);
  await createCluster(account, "spare");
  const token = account.admin;
  const services = `/v3/accounts/${account.name}/services`;
  const json = { name: "hello", default_environment: "default" };
  await call(anything, services, { token, json });
  const add = (below: string, body: object) =>
    call(anything, `${services}/hello/${below}`, { token, json: body });
  for (const tag of ["latest", "v1"]) await add("images", { digest, tag });
  await add("images", { digest: spareDigest, tag: "spare" });
  await add("environments", { name: "staging", image: "v1" });
  const connected = await call(connectAnswer, `/v2/service/${account.name}/hello/default/connect`, {
    token,
    json: { key: "held" },
  });
  const { backend_id, token: connectionToken } = connected;
  const rightful = await createToken(account, { role: "read", rights: ["approve", "check"] });
  return {
    account,
    agentToken: agent_token,
    rightfulToken: rightful.secret_token,
    backendId: backend_id,
    connectionToken,
  };
}

function pathOf({ account }: Pick<World, "account">, environment: string, below = ""): string {
  return `/v3/accounts/${account.name}/services/hello/environments/${environment}${below}`;
}

/** Pins an environment to the image that none runs, so that there is something to go back to. */
export async function pinAnew(world: World, environment: string): Promise<void> {
  // Whatever was done there before.
  const json = { image: spareDigest, force: true, note: "to go back from" };
  const path = pathOf(world, environment, "/pin");
  await call(anything, path, { method: "PUT", token: world.account.admin, json });
}

/** The same, and goes back. */
export async function rejectSpare(world: World, environment: string): Promise<void> {
  await pinAnew(world, environment);
  const json = { force: true, note: "back" };
  await call(anything, pathOf(world, environment, "/rollback"), { token: world.account.admin, json });
}

export async function stopEnvironment(world: World, environment: string): Promise<void> {
  const json = { reason: "an incident" };
  const path = pathOf(world, environment, "/stop");
  await call(anything, path, { method: "PUT", token: world.account.admin, json });
}

/** Has somebody request a change of `staging` that needs two approvals. @returns its id */
async function requestChange(world: World): Promise<string> {
  const { account } = world;
  const settings = { approvals: 2 };
  await call(anything, pathOf(world, "staging"), {
    method: "PATCH",
    token: account.admin,
    json: { settings },
  });
  const { secret_token: token } = await createToken(account, { role: "deploy" });
  return (await call(change, pathOf(world, "staging", "/promote"), { token, json: { from: "default" } })).id;
}

/** Has the key of the live backend held, as where the cluster of its silent agent needs proof of its end. */
export async function holdKey({ account, backendId }: World): Promise<void> {
  const service = serviceStub(env, account.name, "hello");
  await runInDurableObject(service, (_, { storage }) => {
    storage.sql.exec("UPDATE backends SET held_at = ? WHERE id = ?", Date.now(), backendId).toArray();
  });
  // Backends are in its memory: it has to read them again.
  await kill(service);
}

/** How each name of a path is found or made; a path's other names are those of `at`. */
const names: Record<string, (world: World) => string | Promise<string>> = {
  account: ({ account }) => account.name,
  service: () => "hello",
  environment: () => "staging",
  cluster: () => "main",
  digest: () => digest,
  id: ({ backendId }) => backendId,
  token: ({ connectionToken }) => connectionToken,
  token_id: async ({ account }) => (await createToken(account, { role: "read" })).id,
  session_id: async ({ account }) => {
    const tokenId = parseAccessToken(account.admin)?.id ?? "";
    const started = await startSession(env, { account: account.name, tokenId }, "cli", "a client");
    if (!started.ok) throw new Error(started.error.message);
    return started.value.session.id;
  },
  login: async () => (await call(z.object({ token: z.string() }), "/cli-login", { method: "POST" })).token,
  termination: async ({ account }) => {
    const path = `/v3/accounts/${account.name}/services/hello/terminations`;
    return (await call(termination, path, { token: account.admin, json: { environment: "staging" } })).id;
  },
  change: requestChange,
  drain: drainInUse,
  delivery: ({ account, backendId }) => loggedDelivery(account, `${backendId}_spawn`),
};

/** The path of a route in a world. @param at names that stand for others */
export async function pathIn(
  world: World,
  path: string,
  at: Readonly<Record<string, string>> = {},
): Promise<string> {
  let filled = path;
  for (const [placeholder, name = ""] of path.matchAll(/:([a-z_]+)/g)) {
    const found = at[name] ?? (await names[name]?.(world));
    if (found === undefined) throw new Error(`no world has a name for ${placeholder}`);
    filled = filled.replace(placeholder, found);
  }
  return filled;
}

/** Has `staging` run the image that no environment runs: a spawn may name it, and nobody says that its session is idle. */
export async function runSpare({ account: { name, admin: token } }: World): Promise<void> {
  const connect = `/v2/service/${name}/hello/staging/connect`;
  await call(connectAnswer, connect, { token, json: { spawn: { tag: "spare" } } });
}

/** The id of a drain that is under way. */
async function drainInUse(world: World): Promise<string> {
  await runSpare(world);
  const { name, admin: token } = world.account;
  const json = { environment: "staging", digest: spareDigest };
  return (await call(drain, `/v3/accounts/${name}/services/hello/drains`, { token, json })).id;
}

/** The id of a delivery, once its cluster's log has it: that is written when some time has passed. */
function loggedDelivery(account: TestAccount, id: string): Promise<string> {
  return vi.waitFor(async () => {
    vi.setSystemTime(Date.now() + 12_000);
    await runDurableObjectAlarm(serviceStub(env, account.name, "hello"));
    const list = `/v3/accounts/${account.name}/clusters/main/deliveries?limit=200`;
    const { deliveries } = await call(deliveryList, list, { token: account.admin });
    if (!deliveries.some((delivery) => delivery.id === id)) throw new Error(`${id} is not logged yet`);
    return id;
  });
}

/** Confirms a login as the admin of a world does at its page. @returns the code that the page then shows */
export async function confirmLogin({ account }: World, login: string): Promise<string> {
  const { html } = await loggedIn(account.admin).submit(`/cli-login/${login}`, "confirm");
  const code = /<p class="code">(\d{4})<\/p>/.exec(html)?.[1];
  if (code === undefined) throw new Error("the page shows no code");
  return code;
}
