import type { z } from "zod";
import type { LocalJson } from "../../src/local/state/local-json.ts";
import { connectAnswer } from "../../src/protocol/jamsocket/v2.ts";

/**
 * Sends a request to a running deployment and reads its answer by a schema, an empty one as undefined. Fails, with what
 * was said, on a refusal.
 */
export async function call<T>(
  { api_url, token }: Pick<LocalJson, "api_url" | "token">,
  answer: z.ZodType<T>,
  path: string,
  request: { method?: string; json?: unknown } = {},
): Promise<T> {
  const response = await fetch(api_url + path, {
    method: request.method ?? (request.json === undefined ? "GET" : "POST"),
    headers: { authorization: `Bearer ${token}` },
    ...(request.json === undefined ? {} : { body: JSON.stringify(request.json) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${request.method ?? ""} ${path}: ${response.status} ${text}`);
  return answer.parse(text === "" ? undefined : JSON.parse(text));
}

/** Connects to a backend of the demo service and waits until it is ready. */
export async function connectToDemo(local: LocalJson, environment: string, body: object = {}) {
  const path = `/v2/service/${local.account}/hello-world/${environment}/connect`;
  const connection = await call(local, connectAnswer, path, { json: body });
  await untilStatus(connection.status_url, "ready");
  return connection;
}

/** Follows a backend's public status stream until it sends a status. Fails if the stream ends before. */
export async function untilStatus(statusUrl: string, status: string): Promise<void> {
  const response = await fetch(`${statusUrl}/stream`);
  let received = "";
  for await (const text of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    received += text;
    if (received.includes(`"status":"${status}"`)) return;
  }
  throw new Error(`the stream ended without \`${status}\`: ${received}`);
}
