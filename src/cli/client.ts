import { z } from "zod";
import { apiAnswerMaxBytes, listLimitMax } from "../domain/limits.ts";
import { errorEnvelope } from "../protocol/error-envelope.ts";
import { AnswerTooLarge, CodedAnswer, fetchAnswer, readText } from "../protocol/remote-answer.ts";
import {
  type Change as ChangeThatWaits,
  change as changeThatWaits,
  type GateAnswer,
  gateResult,
  type Plan,
  plan,
} from "../protocol/v3/deploys.ts";
import { type CommandFailure, done, type Outcome, requestFailure, usageFailure } from "./outcome.ts";
import { parseJson } from "./settings.ts";

/** Longer than the slowest request, a spawn or ping that waits for its cluster. */
const requestTimeoutMs = 60_000;

/** An answer of the API: parsed by its schema, to be shown to people, and as it was received, for programs. */
export interface Answer<T> {
  body: T;
  json: unknown;
}

/** Of a change that is answered without a body. */
export const noAnswer = z.undefined();

type Query = Record<string, string | undefined>;

export interface Change<T> {
  method: "POST" | "PUT" | "PATCH";
  path: readonly string[];
  /** Left out: the request has no body. */
  body?: Outcome<unknown>;
  headers?: Record<string, string>;
  answer: z.ZodType<T>;
}

/** A change of an environment, which may be only planned, and may have to wait for approval. */
export interface EnvironmentChange<T> extends Omit<Change<T>, "method"> {
  method: Change<T>["method"] | "DELETE";
  /** Nothing is to be done, but to be said what would be. */
  plan: boolean;
}

/** What became of it: it is done, it waits for approval, or, where only a plan was asked for, that. */
export type Changed<T> = { done: T } | { change: ChangeThatWaits } | { plan: Plan };

export interface ListRequest<Page, Item> {
  path: readonly string[];
  query?: Query;
  page: z.ZodType<Page>;
  itemsOf: (page: Page) => Item[];
  /** How many items at most, over all pages; undefined means all there are. */
  limit: number | undefined;
}

/** A client of one part of the API v3. Paths are lists of unencoded segments below its base. */
export interface ApiClient {
  get<T>(path: readonly string[], answer: z.ZodType<T>, query?: Query): Promise<Outcome<Answer<T>>>;
  send<T>(change: Change<T>): Promise<Outcome<Answer<T>>>;
  change<T>(change: EnvironmentChange<T>): Promise<Outcome<Answer<Changed<T>>>>;
  delete(path: readonly string[]): Promise<Outcome<Answer<null>>>;
  /** Follows `next_cursor` to the end or to the limit. The JSON is one page that holds the items of all. */
  list<Page extends { next_cursor?: string | undefined }, Item>(
    request: ListRequest<Page, Item>,
  ): Promise<Outcome<Answer<Item[]>>>;
}

/** A body that the API's own schema accepts, or a usage failure with what it does not accept. */
export function bodyOf<Schema extends z.ZodType>(
  schema: Schema,
  value: z.input<Schema>,
): Outcome<z.output<Schema>> {
  const parsed = schema.safeParse(value);
  return parsed.success ? done(parsed.data) : usageFailure(issuesOf(parsed.error));
}

/** @param base the deployment's API URL without a slash at its end, @param root the path that all paths are below */
export function createClient(settings: { base: string; root: readonly string[]; secret: string }): ApiClient {
  async function request(
    method: string,
    path: readonly string[],
    options: { query?: Query; body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Outcome<{ status: number; text: string }>> {
    const url = new URL(`${settings.base}/${[...settings.root, ...path].map(encodeURIComponent).join("/")}`);
    for (const [name, value] of Object.entries(options.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    const signal = AbortSignal.timeout(requestTimeoutMs);
    const init = {
      method,
      headers: {
        authorization: `Bearer ${settings.secret}`,
        ...(options.body === undefined ? {} : { "content-type": "application/json" }),
        ...options.headers,
      },
      // A followed redirect would turn a change into a GET of another page.
      redirect: "manual" as const,
      signal,
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    };
    try {
      const response = await fetchAnswer(url, init);
      const text = await readText(response, { maxBytes: apiAnswerMaxBytes, signal });
      return response.ok
        ? done({ status: response.status, text })
        : refusal(`${method} ${url}`, response, text);
    } catch (error) {
      return unreachable(settings.base, error);
    }
  }

  async function requestJson<T>(
    method: string,
    path: readonly string[],
    answer: z.ZodType<T>,
    options: Parameters<typeof request>[2],
  ): Promise<Outcome<Answer<T>>> {
    const answered = await request(method, path, options);
    return answered.ok ? readAs(answer, answered.value.text) : answered;
  }

  function readAs<T>(answer: z.ZodType<T>, text: string): Outcome<Answer<T>> {
    const json = parseJson(text);
    const body = answer.safeParse(json);
    if (body.success) return done({ body: body.data, json });
    return requestFailure(
      `${settings.base} answered in a form that this command does not know (${issuesOf(body.error)})`,
    );
  }

  return {
    get: (path, answer, query = {}) => requestJson("GET", path, answer, { query }),

    async send({ method, path, body, headers = {}, answer }) {
      const sent = bodyToSend(method, body);
      return sent.ok ? requestJson(method, path, answer, { body: sent.value, headers }) : sent;
    },

    async change({ method, path, body, headers = {}, answer, plan: isPlan }) {
      const sent = bodyToSend(method, body);
      if (!sent.ok) return sent;
      const query = isPlan ? { plan: "true" } : {};
      const answered = await request(method, path, { query, body: sent.value, headers });
      if (!answered.ok) return answered;
      const { status, text } = answered.value;
      return readAs(changedBy(answer, isPlan ? "plan" : status === 202 ? "change" : "done"), text);
    },

    async delete(path) {
      const answered = await request("DELETE", path);
      return answered.ok ? done({ body: null, json: parseJson(answered.value.text) }) : answered;
    },

    async list({ path, query = {}, page, itemsOf, limit }) {
      const items: ReturnType<typeof itemsOf> = [];
      const pages: unknown[] = [];
      let cursor: string | undefined;
      do {
        const pageLimit = Math.min((limit ?? Number.POSITIVE_INFINITY) - items.length, listLimitMax);
        const answer = await requestJson("GET", path, page, {
          query: { ...query, limit: String(pageLimit), cursor },
        });
        if (!answer.ok) return answer;
        items.push(...itemsOf(answer.value.body));
        pages.push(answer.value.json);
        cursor = answer.value.body.next_cursor;
      } while (cursor !== undefined && (limit === undefined || items.length < limit));
      return done({ body: items, json: joinPages(pages) });
    },
  };
}

/** The body of a request, where there is one and it changes something. */
function bodyToSend(method: string, body: Outcome<unknown> | undefined): Outcome<unknown> {
  if (!body) return done(undefined);
  if (!body.ok || method !== "PATCH" || JSON.stringify(body.value) !== "{}") return body;
  return usageFailure("nothing to change: name at least one option");
}

function changedBy<T>(answer: z.ZodType<T>, what: "done" | "change" | "plan"): z.ZodType<Changed<T>> {
  switch (what) {
    case "plan":
      return plan.transform((value) => ({ plan: value }));
    case "change":
      return changeThatWaits.transform((value) => ({ change: value }));
    case "done":
      return answer.transform((value) => ({ done: value }));
  }
}

/** One page that holds the lists of all pages in order; of the other fields, those of the last page but for its way back into these. */
function joinPages(pages: readonly unknown[]): Record<string, unknown> {
  const page = z.record(z.string(), z.unknown());
  return pages.reduce<Record<string, unknown>>((joined, next) => {
    const { next_cursor: _earlier, ...before } = joined;
    const { previous_cursor: _inside, ...shown } = page.parse(next);
    const fields = Object.entries(shown).map(([name, value]) => {
      const earlier = before[name];
      return [name, Array.isArray(earlier) && Array.isArray(value) ? [...earlier, ...value] : value];
    });
    return { ...before, ...Object.fromEntries(fields) };
  }, {});
}

/** The failure of an answer that is not a success, or not of the expected kind: the API's own words where it has them. */
export function refusal(request: string, response: Response, text: string) {
  const envelope = errorEnvelope.safeParse(parseJson(text));
  if (envelope.success) {
    const { message, code, id, gates } = envelope.data.error;
    const judged = code === "gate_not_met" ? z.array(gateResult).safeParse(gates) : undefined;
    if (judged?.success && mayBeMet(judged.data)) {
      const failure: CommandFailure = { kind: "not_yet", message, code, requestId: id, gates: judged.data };
      return { ok: false as const, failure };
    }
    return requestFailure(message, { code, requestId: id });
  }
  const location = response.headers.get("location");
  const to = location === null ? "" : ` to ${location}`;
  return requestFailure(`${request} was answered with ${response.status}${to}, but not by Slipway's API`);
}

/** Whether all that is missing may come by itself. */
function mayBeMet(gates: readonly GateAnswer[]): boolean {
  const unmet = gates.filter(({ state }) => state !== "passed");
  return unmet.length > 0 && unmet.every(({ state }) => state === "pending");
}

/** The failure of a request without an answer, or with one that is not read. */
export function unreachable(base: string, error: unknown) {
  if (error instanceof CodedAnswer || error instanceof AnswerTooLarge) {
    return requestFailure(`the answer of ${base} is not read: ${error.message}`);
  }
  if (error instanceof Error && error.name === "TimeoutError") {
    return requestFailure(`${base} did not answer within ${requestTimeoutMs / 1000} s`);
  }
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause ?? error);
  return requestFailure(
    `cannot reach Slipway at ${base} (${code}): start it with \`npm start\`, or name another address with --api-url or SLIPWAY_API_URL`,
  );
}

function issuesOf(error: z.ZodError): string {
  return error.issues
    .map(({ path, message }) => (path.length === 0 ? message : `${path.join(".")}: ${message}`))
    .join("; ");
}
