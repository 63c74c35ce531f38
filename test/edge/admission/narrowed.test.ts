import { describe, expect } from "vitest";
import { z } from "zod";
import type { TokenRole } from "../../../src/domain/credentials/access.ts";
import { tokenRights } from "../../../src/domain/credentials/rights.ts";
import { sseHeaders } from "../../../src/protocol/sse.ts";
import { call, createToken, send } from "../../support/worker/api.ts";
import { isolatedClusterTest as test } from "../../support/worker/worker-test.ts";
import { type Promised, promised } from "../support/drive.ts";
import {
  cluster,
  environment,
  fields,
  gone,
  hiddenFrom,
  makeNarrowedWorld,
  type NarrowedWorld,
  type Narrowing,
  nothing,
  outsideOf,
  scopes,
  service,
} from "../support/narrowed-world.ts";
import { pathIn, type World } from "../support/world.ts";

const anything = z.looseObject({});

/** Fields that name what belongs to the service or environment itself, or that name nothing. */
const harmless = new Set(
  `at_end_of backends before_revision keep keys rate_per_minute when tag image image_tag digest repository mount name ack allow_spawn_tag approvals auth backend_url_template before changers checks
   cpu_period cpu_period_percent cpu_time_limit created_before cursor default disk_limit_bytes dry_run emergency_rollback env executable follow force gates match max_failed_share memory_limit_bytes min_ready min_samples reason
   require_digest roles soak_seconds state tokens url windows
   artifact_type expires_in_seconds from grace_period_seconds hard lifetime_limit_seconds limit location max_idle_seconds media_type note outcome port
   pushed_at require_bearer_token resource_limits rights role search settings spawn startup_timeout_seconds status step_seconds to type user
   webhook_url`.split(/\s+/),
);

interface Field {
  in: "body" | "query";
  path: readonly string[];
}

/** What a field is called here: `from` of a query is a time, and of a body environments. */
function nameOf({ in: place, path }: Field): string {
  const last = path.at(-1) ?? "";
  if (last !== "from" || place === "query") return last;
  return path.includes("gates") ? "gates.from" : "promote.from";
}

const schemaShape = z.looseObject({
  properties: z.record(z.string(), z.unknown()).optional(),
  anyOf: z.array(z.unknown()).optional(),
  $ref: z.string().optional(),
});

const definitions = z.looseObject({ $defs: z.record(z.string(), z.unknown()).optional() });

/** Every field that a schema has, at any depth. @param defs the schemas that it refers to */
function fieldsOf(schema: unknown, defs: Record<string, unknown>): string[][] {
  const { properties = {}, anyOf = [], $ref } = schemaShape.safeParse(schema).data ?? {};
  const referred = $ref === undefined ? [] : [defs[$ref.slice("#/$defs/".length)]];
  return [
    ...[...anyOf, ...referred].flatMap((inner) => fieldsOf(inner, defs)),
    ...Object.entries(properties).flatMap(([name, inner]) => [
      [name],
      ...fieldsOf(inner, defs).map((path) => [name, ...path]),
    ]),
  ];
}

/** The fields of a route's query and body. Notifications of other registries name nothing of ours. */
function fieldsOfRoute({ route: { query, body, path } }: Promised): Field[] {
  const of = (schema: z.ZodType | undefined) => {
    const described = schema?.toJSONSchema({ io: "input", unrepresentable: "any", reused: "inline" });
    return fieldsOf(described, definitions.safeParse(described).data?.$defs ?? {});
  };
  if (path.endsWith("/registry-events")) return [];
  return [
    ...of(query).map((path) => ({ in: "query" as const, path })),
    ...of(body).map((path) => ({ in: "body" as const, path })),
  ];
}

const ofTokens = promised.filter(({ row: { who } }) => who !== "public" && who !== "root" && who !== "agent");
const roleOf = ({ row: { who } }: Promised): Exclude<TokenRole, "agent"> =>
  who === "read" || who === "spawn" || who === "deploy" ? who : "admin";

/** A request that names something. `missing` is the same one, with a name that nothing has. */
interface Attempt {
  title: string;
  at: Record<string, string>;
  field?: { field: Field; value: unknown };
  missing?: Attempt;
}

function attemptsOf(of: Promised, narrowing: Narrowing, world: NarrowedWorld): Attempt[] {
  const staging = { environment: "staging", id: world.ownBackend, delivery: "unknown" };
  // A stream of one that is under way would not end.
  const drain = of.route.produces === "text/event-stream" ? { drain: world.ownDrain } : {};
  const own = { ...staging, ...drain, ...of.row.at };
  const paths: Record<string, string[]> = {
    service: [service],
    cluster: [cluster],
    environment: narrowing === "a service" ? [] : [environment, gone],
    termination: narrowing === "a service" ? [] : [world.hiddenTermination],
    drain: narrowing === "a service" ? [] : [world.hiddenDrain],
    id: hiddenFrom(narrowing, world).filter((hidden) => Object.values(world.hiddenBackends).includes(hidden)),
  };
  const byPath = [...of.route.path.matchAll(/:([a-z_]+)/g)].flatMap(([, name = ""]) =>
    (paths[name] ?? []).map((value): Attempt => {
      const missing = { title: `a missing ${name}`, at: { ...own, [name]: nothing } };
      if (value === gone) return { title: "an environment that is gone", at: { ...own, [name]: gone } };
      return {
        title: `the path's ${name} ${value}`,
        at: { ...own, [name]: value },
        ...(name !== "id" && name !== "termination" && name !== "drain" && { missing }),
      };
    }),
  );
  const byField = fieldsOfRoute(of).flatMap((field): Attempt[] => {
    const value = fields[nameOf(field)]?.[narrowing] ?? null;
    if (value === null) return [];
    const title = `${field.in} ${field.path.join(".")}`;
    const missing = { title, at: own, field: { field, value: Array.isArray(value) ? [nothing] : nothing } };
    return [{ title, at: own, field: { field, value }, missing }];
  });
  // Last, since it may end what it reaches.
  return [...byPath, ...byField, { title: "what it reaches", at: own }];
}

function withField(body: object, [name = "", ...rest]: readonly string[], value: unknown): object {
  const inner = z
    .record(z.string(), z.unknown())
    .safeParse(Object.getOwnPropertyDescriptor(body, name)?.value);
  return { ...body, [name]: rest.length === 0 ? value : withField(inner.data ?? {}, rest, value) };
}

async function sendAttempt(world: World, { route, row }: Promised, { at, field }: Attempt, token: string) {
  // Nothing else is changed by anybody: it is looked at afterwards.
  if (at.environment === "staging") await row.given?.(world, at.environment);
  const path = await pathIn(world, route.path, at);
  const json = typeof row.json === "function" ? await row.json(world, path) : row.json;
  const parameters = new URLSearchParams(route.targetIn === "query" ? { service: "hello" } : {});
  if (field?.field.in === "query") parameters.set(field.field.path.join("."), `${field.value}`);
  const query = parameters.size === 0 ? "" : `?${parameters}`;
  const body = field?.field.in === "body" ? withField(json ?? {}, field.field.path, field.value) : json;
  const response = await send(path + query, {
    method: route.method,
    token,
    ...(body === undefined ? {} : { json: body }),
  });
  const headers = JSON.stringify([...response.headers]);
  const text = await response.text();
  return { status: response.status, headers, text, sent: `${path}${query} ${JSON.stringify(body)}` };
}

/** What an answer says, without what differs between two that say the same: names, and ids of requests and backends. */
function told({ route: { method } }: Promised, { status, text }: { status: number; text: string }): unknown {
  if (status < 300 && method !== "GET") return [status];
  return [status, text.replaceAll(/secret-[a-z]+/g, "X").replace(/"id":"[0-9a-f-]{36}"/, "")];
}

const output = () => new Response("data: {}\n\n", { headers: sseHeaders });

/** What only looks shares one world, which nothing changes. */
let looked: Promise<NarrowedWorld> | undefined;

describe("every field of every query and body", () => {
  test("is known to name something, or not to", () => {
    const names = ofTokens.flatMap((of) => fieldsOfRoute(of).map(nameOf));
    const unknown = names.filter((name) => !(name in fields) && !harmless.has(name));
    expect([...new Set(unknown)].sort()).toEqual([]);
    const gone = [...harmless, ...Object.keys(fields)].filter((name) => !names.includes(name));
    expect(gone).toEqual([]);
  });
});

const narrowings: Narrowing[] = ["an environment", "a service"];

describe.for(narrowings)("a token narrowed to %s", (narrowing) => {
  test.for(ofTokens)(
    "reads and changes nothing outside, and does not learn what there is: $name",
    async (of, { cluster: scripted }) => {
      scripted.alwaysStreams(output);
      if (of.route.method === "GET") looked ??= makeNarrowedWorld();
      const world = (await (of.route.method === "GET" ? looked : undefined)) ?? (await makeNarrowedWorld());
      const { secret_token: token } = await createToken(world.account, {
        role: roleOf(of),
        rights: [...tokenRights],
        ...scopes[narrowing],
      });
      const before = await outsideOf(world, narrowing);
      const spawned = scripted.received.length;
      async function scanned(attempt: Attempt) {
        const answer = await sendAttempt(world, of, attempt, token);
        const said = `${answer.headers} ${answer.text}`;
        const read = hiddenFrom(narrowing, world).filter(
          (name) => said.includes(name) && !answer.sent.includes(name),
        );
        expect([attempt.title, read, answer.status < 500]).toEqual([attempt.title, [], true]);
        return answer;
      }
      for (const attempt of attemptsOf(of, narrowing, world)) {
        const answer = await scanned(attempt);
        if (!attempt.missing) continue;
        const missing = await scanned(attempt.missing);
        expect([attempt.title, told(of, answer)]).toEqual([attempt.title, told(of, missing)]);
      }
      expect(await outsideOf(world, narrowing)).toEqual(before);
      for (const { message } of scripted.received.slice(spawned)) {
        if (message.type !== "backend.spawn") continue;
        expect(message.data.service).toBe("hello");
        if (narrowing === "an environment") {
          expect([message.data.environment, message.data.cluster]).toEqual(["staging", "main"]);
        }
      }
    },
  );
});

test("a stream of events sends a token narrowed to an environment nothing of others", async ({
  cluster: _,
}) => {
  const world = await makeNarrowedWorld();
  const { name, admin } = world.account;
  const { secret_token: token } = await createToken(world.account, {
    role: "read",
    ...scopes["an environment"],
  });
  const path = `/v3/accounts/${name}/events?service=hello`;
  const response = await send(path, { token, headers: { accept: "text/event-stream" } });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const hello = `/v3/accounts/${name}/services/hello`;
  const change = (below: string, method: string, json: object) =>
    call(anything, `${hello}${below}`, { method, token: admin, json });
  for (const chosen of ["default", environment]) await change("", "PATCH", { default_environment: chosen });
  await change(`/environments/${environment}/pin`, "PUT", { image: "v1" });
  await change("/environments/staging/pin", "PUT", { image: "v1", note: "the last" });
  let said = "";
  while (!said.includes("the last")) {
    const { done = true, value = "" } = (await reader?.read()) ?? {};
    expect(done).toBe(false);
    said += value;
  }
  await reader?.cancel();
  expect(hiddenFrom("an environment", world).filter((hidden) => said.includes(hidden))).toEqual([]);
});
