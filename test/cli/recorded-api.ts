import { createServer, type IncomingHttpHeaders } from "node:http";
import type { ErrorCode } from "../../src/domain/errors.ts";
import { toErrorEnvelope } from "../../src/protocol/error-envelope.ts";

export interface RecordedRequest {
  method: string;
  /** With the query. */
  url: string;
  headers: IncomingHttpHeaders;
  /** Undefined where the request had no body. */
  body: unknown;
}

export interface GivenAnswer {
  status?: number;
  /** Sent as JSON; a string is sent as it stands, undefined as no body at all. */
  body?: unknown;
  headers?: Record<string, string>;
}

export interface RecordedApi extends AsyncDisposable {
  url: string;
  requests: RecordedRequest[];
}

/** Stands for Slipway: gives the answers in their order, one to each request, and keeps the requests. */
export async function startRecordedApi(answers: readonly GivenAnswer[]): Promise<RecordedApi> {
  const requests: RecordedRequest[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString("utf8");
    const answer =
      answers[requests.length] ?? refusal("internal_error", "no answer is left for this request");
    requests.push({
      method: request.method ?? "",
      url: request.url ?? "",
      headers: request.headers,
      body: text === "" ? undefined : JSON.parse(text),
    });
    response.writeHead(answer.status ?? 200, { "content-type": "application/json", ...answer.headers });
    response.end(typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function refusal(
  code: ErrorCode,
  message: string,
  requestId = "req-1",
  details: Record<string, unknown> = {},
): GivenAnswer {
  const { error } = toErrorEnvelope({ code, message }, requestId);
  return { status: error.status, body: { error: { ...details, ...error } } };
}
