import { env, exports } from "cloudflare:workers";
import { z } from "zod";
import { errorEnvelope } from "../../../src/protocol/error-envelope.ts";
import { type CreateTokenBody, createdAccount, createdToken } from "../../../src/protocol/v3/accounts.ts";
import { createdCluster } from "../../../src/protocol/v3/clusters.ts";

export const apiOrigin = "http://api.test";

export interface ApiRequest {
  method?: string;
  token?: string;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as it is. */
  body?: BodyInit;
  headers?: Record<string, string>;
}

/** Sends a request to the Worker under test. */
export function send(
  path: string,
  { method, token, json, body, headers }: ApiRequest = {},
): Promise<Response> {
  const sent = json === undefined ? body : JSON.stringify(json);
  const request = new Request(apiOrigin + path, {
    redirect: "manual",
    method: method ?? (sent === undefined ? "GET" : "POST"),
    headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers },
    ...(sent === undefined ? {} : { body: sent }),
  });
  return exports.default.fetch(request);
}

/** Sends a request and reads its answer by a schema; anything but success fails with what was answered. */
export async function call<T>(schema: z.ZodType<T>, path: string, request: ApiRequest = {}): Promise<T> {
  const response = await send(path, request);
  const text = await response.text();
  if (!response.ok) throw new Error(`${request.method ?? ""} ${path}: ${response.status} ${text}`);
  return schema.parse(JSON.parse(text));
}

/** Sends a request that is to fail, and gives what its envelope says. */
export async function refusal(path: string, request: ApiRequest = {}) {
  const response = await send(path, request);
  const { error } = errorEnvelope.parse(await response.json());
  return { status: response.status, code: error.code, message: error.message, error, response };
}

let counter = 0;

/** A name that no other test of the file uses. */
export function freshName(prefix: string): string {
  counter += 1;
  return `${prefix}-${counter}`;
}

export interface TestAccount {
  name: string;
  admin: string;
}

export async function createAccount(name = freshName("acme")): Promise<TestAccount> {
  const created = await call(createdAccount, "/v3/accounts", { token: env.ROOT_TOKEN, json: { name } });
  return { name, admin: created.token.secret_token };
}

export async function createToken(
  account: TestAccount,
  token: Omit<CreateTokenBody, "name">,
): Promise<z.infer<typeof createdToken>> {
  return call(createdToken, `/v3/accounts/${account.name}/tokens`, {
    token: account.admin,
    json: { name: "of a test", ...token },
  });
}

export async function createCluster(account: TestAccount, name = "main") {
  return call(createdCluster, `/v3/accounts/${account.name}/clusters`, {
    token: account.admin,
    json: {
      name,
      webhook_url: "https://cluster.test/hook",
      backend_url_template: "https://{backend_id}.cluster.test",
    },
  });
}

export async function createService(account: TestAccount, name = "hello"): Promise<string> {
  const path = `/v3/accounts/${account.name}/services`;
  await call(z.looseObject({ name: z.string() }), path, { token: account.admin, json: { name } });
  return `${path}/${name}`;
}
