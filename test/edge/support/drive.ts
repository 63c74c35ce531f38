import { env } from "cloudflare:workers";
import { expect, vi } from "vitest";
import { z } from "zod";
import type { Route } from "../../../src/edge/api/route.ts";
import { routes } from "../../../src/edge/api/routes.ts";
import { type AccountEvent, eventList } from "../../../src/protocol/v3/events.ts";
import { type ApiRequest, call, send } from "../../support/worker/api.ts";
import { type Row, table } from "./route-table.ts";
import { pathIn, type World } from "./world.ts";

/** A route with its row. */
export interface Promised {
  name: string;
  route: Route;
  row: Row;
}

/** Every route that has a row. */
export const promised: readonly Promised[] = routes.flatMap((route) => {
  const name = `${route.method} ${route.path}`;
  const row = table[name];
  return row ? [{ name, route, row }] : [];
});

/** A request that succeeds, as the text that is sent. */
export interface Prepared {
  path: string;
  /** Of the body; undefined where the route takes none. */
  text: string | undefined;
  send(change?: { text?: string; headers?: Record<string, string>; query?: string }): Promise<Response>;
}

/** Prepares a request of a route in a world. @param at names that stand in its path for those of its row */
export async function prepare(
  world: World,
  { route, row }: Pick<Promised, "route" | "row">,
  at: Readonly<Record<string, string>> = {},
): Promise<Prepared> {
  await row.given?.(world, at.environment ?? "staging");
  const path = await pathIn(world, route.path, { ...row.at, ...at });
  const json = typeof row.json === "function" ? await row.json(world, path) : row.json;
  const text = json === undefined ? undefined : JSON.stringify(json);
  const token = tokenFor(world, row);
  const { method } = route;
  return {
    path,
    text,
    send({ text: changed = text, headers = {}, query = "" } = {}) {
      const request: ApiRequest = { method, headers, ...(token === undefined ? {} : { token }) };
      return send(path + query, changed === undefined ? request : { ...request, body: changed });
    },
  };
}

function tokenFor(world: World, { who, right }: Row): string | undefined {
  if (right !== undefined) return world.rightfulToken;
  if (who === "public") return undefined;
  if (who === "root") return env.ROOT_TOKEN;
  return who === "agent" ? world.agentToken : world.account.admin;
}

/** Sends a prepared request, which must succeed. @returns its answer's text; of a stream, nothing */
export async function succeed({ route }: Pick<Promised, "route">, answer: Response): Promise<string> {
  if (route.produces === "text/event-stream") {
    expect(answer.status).toBe(200);
    await answer.body?.cancel();
    return "";
  }
  const text = await answer.text();
  expect([answer.status, text]).toEqual([route.status ?? 200, text]);
  return text;
}

/** All that an observer sees of a world's service and account, apart from its events. */
export async function stateOf({ account }: World): Promise<unknown> {
  const below = `/v3/accounts/${account.name}`;
  const lists = ["tokens", "sessions", "clusters", "services", "services/hello/backends"];
  const ofStaging = ["history", "candidates", "rejections", "changes"].map(
    (list) => `environments/staging/${list}`,
  );
  const ofService = ["environments", "images", ...ofStaging];
  const paths = [...lists, ...ofService.map((list) => `services/hello/${list}`), "services/hello"];
  const token = account.admin;
  return Promise.all(paths.map(async (path) => (await send(`${below}/${path}`, { token })).json()));
}

const anything = z.looseObject({});

/** The events of a world that came after some, oldest first. */
export async function eventsAfter(world: World, known: readonly AccountEvent[]): Promise<AccountEvent[]> {
  const ids = new Set(known.map(({ id }) => id));
  return (await allEvents(world)).filter(({ id, details }) => !ids.has(id) && details?.digest !== markDigest);
}

const markDigest = `sha256:${"c".repeat(64)}`;

/**
 * The events of a world until now, oldest first. Those of a service come in order, and after the change itself: one more change is
 * made, and what there is with its event has all before that.
 */
export async function allEvents({ account: { name, admin: token } }: World): Promise<AccountEvent[]> {
  const service = `/v3/accounts/${name}/services/hello`;
  const isThere = (await send(service, { token })).status === 200;
  const tag = `mark-${crypto.randomUUID()}`;
  if (isThere) await call(anything, `${service}/images`, { token, json: { digest: markDigest, tag } });
  return vi.waitFor(async () => {
    const { events } = await call(eventList, `/v3/accounts/${name}/events?limit=200`, { token });
    if (isThere && !events.some(({ details }) => details?.tag === tag))
      throw new Error("it is not there yet");
    return events.toReversed();
  });
}
