import { z } from "zod";
import { errorEnvelope } from "../../../src/protocol/error-envelope.ts";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { formatAccessToken, hashSecret } from "../../../src/protocol/tokens/access-token.ts";
import { backendList } from "../../../src/protocol/v3/backends.ts";
import { environmentList, pinAnswer } from "../../../src/protocol/v3/services.ts";
import { send } from "../../support/worker/api.ts";
import { caller, type Hello, value } from "./service.ts";

/** What was done, or a refusal. */
export type Answer<T> =
  | { ok: true; value: T }
  | { ok: false; error: { code: string; message: string; details?: Record<string, unknown> } };

interface Pinned {
  digest: string | null;
  revision: number;
  previous: { revision: number };
}

/** What a caller does to the service `hello`. */
export interface Commands {
  connect(params: {
    environment: string;
    key?: string;
    spawn?: null;
  }): Promise<Answer<{ spawned: boolean; backendId: string }>>;
  pin(environment: string, image: string): Promise<Answer<Pinned>>;
  terminate(backendId: string, hard: boolean): Promise<Answer<unknown>>;
}

/** What a token can look at besides. */
export interface Looks {
  backends(): Promise<Answer<z.infer<typeof backendList>>>;
  environments(): Promise<Answer<z.infer<typeof environmentList>>>;
}

/** The commands as the edge hands them to the object for a caller that nothing narrows. */
export function ofObject(hello: Hello): Commands {
  return {
    connect: (params) => hello.connect(params),
    pin: (environment, image) => hello.service().pin(environment, { image }, caller),
    terminate: (backendId, hard) => hello.service().terminate(backendId, hard, caller),
  };
}

/** What a token is narrowed to. */
export interface Narrowing {
  service: string;
  environments?: string[];
}

let tokens = 0;

/**
 * The commands as requests with a new token that may do everything to what it is narrowed to.
 * @param onAnswer is given each request and what it was answered, headers included
 */
export async function ofToken(
  hello: Hello,
  narrowing: Narrowing,
  onAnswer: (sent: string, answered: string) => void,
): Promise<Commands & Looks> {
  tokens += 1;
  const id = `narrowed${String(tokens).padStart(4, "0")}`;
  const secret = "s".repeat(43);
  const body = { name: "narrowed", role: "admin", ...narrowing } as const;
  const stored = { id, secretHash: await hashSecret(secret) };
  value(await hello.accountObject.createToken(body, stored, caller));
  const token = formatAccessToken({ account: hello.account, id, secret });

  async function answered<T>(
    schema: z.ZodType<T>,
    method: string,
    path: string,
    json?: object,
  ): Promise<Answer<T>> {
    const response = await send(path, { method, token, ...(json === undefined ? {} : { json }) });
    const text = await response.text();
    onAnswer(`${path} ${JSON.stringify(json)}`, `${JSON.stringify([...response.headers])} ${text}`);
    if (response.ok) return { ok: true, value: schema.parse(JSON.parse(text)) };
    const { code, message, ...details } = errorEnvelope.parse(JSON.parse(text)).error;
    // v2 has a word of its own for it.
    const known = code === "BackendNotRunning" ? "backend_not_running" : code;
    return { ok: false, error: { code: known, message, details } };
  }

  const service = `/v3/accounts/${hello.account}/services/hello`;
  return {
    async connect({ environment, key, spawn }) {
      const path = `/v2/service/${hello.account}/hello/${environment}/connect`;
      const json = { ...(key === undefined ? {} : { key }), spawn: spawn !== null };
      const connected = await answered(connectAnswer, "POST", path, json);
      if (!connected.ok) return connected;
      const { spawned, backend_id: backendId } = connected.value;
      return { ok: true, value: { spawned, backendId } };
    },
    pin: (environment, image) =>
      answered(pinAnswer, "PUT", `${service}/environments/${environment}/pin`, { image }),
    terminate: (backendId, hard) =>
      answered(z.unknown(), "POST", `/v2/backend/${backendId}/terminate`, { hard }),
    backends: () => answered(backendList, "GET", `${service}/backends?limit=100`),
    environments: () => answered(environmentList, "GET", `${service}/environments`),
  };
}
