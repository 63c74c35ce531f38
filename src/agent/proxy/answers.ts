import { type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { errorStatus } from "../../domain/errors.ts";
import type { Failure } from "../../domain/result.ts";
import { toErrorEnvelope } from "../../protocol/error-envelope.ts";
import { corsHeaders, isPreflight } from "./cors.ts";

/** An answer of the proxy's own. */
export interface ProxyAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/**
 * The answer to a connection that cannot be forwarded: the API's error envelope where `Accept` prefers JSON, else a
 * small page.
 */
export function failureAnswer(failure: Failure, accept: string | undefined, code?: string): ProxyAnswer {
  const status = errorStatus[failure.code];
  const requestId = crypto.randomUUID();
  const json = prefersJson(accept ?? "");
  const body = json
    ? JSON.stringify(toErrorEnvelope(failure, requestId, code))
    : page(`${status} ${STATUS_CODES[status] ?? ""}`, failure.message, requestId);
  return {
    status,
    headers: {
      "content-type": json ? "application/json" : "text/html; charset=utf-8",
      "content-length": String(Buffer.byteLength(body)),
      "cache-control": "no-store",
      "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
      // The address of the page holds the connection token.
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
      "x-request-id": requestId,
      ...corsHeaders,
      "access-control-expose-headers": "*",
      ...(status === 401 ? { "www-authenticate": "Bearer" } : {}),
      ...(failure.retryAfterSeconds === undefined
        ? {}
        : { "retry-after": String(failure.retryAfterSeconds) }),
    },
    body,
  };
}

/** Leads to the address with the slash after the last segment. @param location relative */
export function redirectAnswer(location: string): ProxyAnswer {
  return { status: 307, headers: { location, "cache-control": "no-store", ...corsHeaders }, body: "" };
}

/**
 * Answers a request in the backend's place. A preflight is permitted, whatever the answer to the request itself will be:
 * browsers send no `Authorization` with it, and a page can read the other answer only then.
 */
export function sendAnswer(response: ServerResponse, answer: ProxyAnswer): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  if (isPreflight(response.req)) {
    response.writeHead(204, { "cache-control": "no-store", ...corsHeaders });
    response.end();
    return;
  }
  response.writeHead(answer.status, answer.headers);
  response.end(answer.body);
}

/** Answers an upgrade request, whose socket has no response object, and closes it. */
export function writeAnswer(socket: Duplex, answer: ProxyAnswer): void {
  const head = [
    `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? ""}`,
    ...Object.entries({ ...answer.headers, connection: "close" }).map(([name, value]) => `${name}: ${value}`),
  ];
  // A client that keeps its half open must not keep the socket.
  if (socket.writable) socket.end(`${head.join("\r\n")}\r\n\r\n${answer.body}`, () => socket.destroy());
}

/** RFC 9110 12.5.1, as far as the choice between JSON and HTML needs it. */
export function prefersJson(accept: string): boolean {
  return quality(accept, "application", "json") > quality(accept, "text", "html");
}

function quality(accept: string, type: string, subtype: string): number {
  const ranges = accept.split(",").map((text) => {
    const [range = "", ...parameters] = text.split(";").map((part) => part.trim().toLowerCase());
    const q = parameters.find((parameter) => parameter.startsWith("q="));
    const weight = q === undefined ? 1 : Number(q.slice(2));
    return { range, weight: Number.isFinite(weight) ? weight : 0 };
  });
  const match = [`${type}/${subtype}`, `${type}/*`, "*/*"]
    .map((candidate) => ranges.find(({ range }) => range === candidate))
    .find((range) => range !== undefined);
  return match?.weight ?? 0;
}

function page(title: string, message: string, requestId: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem}</style>
<h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(message)}</p>
<p><small>Request ${requestId}</small></p>
</html>
`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
