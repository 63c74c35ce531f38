import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { apiBodyMaxBytes } from "../../domain/limits.ts";
import { tcpKeepAliveMs } from "../clock.ts";
import { type Log, messageOf } from "../log.ts";
import type { BackendProxy } from "../proxy/proxy.ts";
import { acceptAbsoluteForm } from "./absolute-form.ts";
import { sendEvents } from "./event-stream.ts";
import { answerMalformed } from "./malformed-requests.ts";
import { type OutputEndpoints, type OutputRequest, parseOutputPath } from "./output-endpoints.ts";
import type { WebhookAnswer } from "./webhook.ts";

/** A connection token with `auth` in it makes for a long request line. */
const requestHeadMaxBytes = 32 * 1024;
const requestHeadTimeoutMs = 60_000;
/** Longer than reverse proxies usually keep idle connections, so that it is they who close them. */
const keepAliveTimeoutMs = 75_000;
const webhookBodyTimeoutMs = 10_000;

export interface AgentRoutes {
  webhook(body: Buffer, headers: Record<string, string>): WebhookAnswer;
  health(): WebhookAnswer;
  output: OutputEndpoints;
  proxy: BackendProxy;
  /** Called for each request before anything else, so that one that waited while this process was frozen finds no lease that is over. */
  look(): void;
  log: Log;
}

export interface AgentServer {
  /** The address it listens on, without a slash at the end. */
  url: string;
  /** Ends every connection, WebSockets included. */
  close(): Promise<void>;
}

/**
 * Serves `/webhook`, what is below it, `/healthz` and, under everything else and on every host of a backend's own,
 * connections. Rejects if it cannot listen.
 * @param routesAt creates the routes, given the URL of the address, before the first request is read
 */
export async function listen(
  address: { host: string; port: number },
  routesAt: (url: string) => AgentRoutes,
): Promise<AgentServer> {
  const upgraded = new Set<Duplex>();
  const server = createServer({
    maxHeaderSize: requestHeadMaxBytes,
    headersTimeout: requestHeadTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelay: tcpKeepAliveMs,
    // No limit for uploads to backends.
    requestTimeout: 0,
    // A WebSocket begins with a GET (RFC 6455 4.1); every other request is answered as if it had no `Upgrade` (RFC 9110 7.8).
    shouldUpgradeCallback: ({ method, headers }) =>
      method === "GET" && headers.upgrade?.toLowerCase() === "websocket",
  });
  const url = await new Promise<string>((resolve, reject) => {
    server.once("error", reject);
    server.listen(address.port, address.host, () => {
      server.off("error", reject);
      const listeningUrl = urlOf(address.host, server.address());
      // Here and not after the promise: no connection is accepted before this callback returns.
      handleRequests(server, routesAt(listeningUrl), upgraded);
      resolve(listeningUrl);
    });
  });
  return {
    url,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
        for (const socket of upgraded) socket.destroy();
      }),
  };
}

/** @param upgraded holds the sockets that have switched protocols, until they are closed */
function handleRequests(server: Server, routes: AgentRoutes, upgraded: Set<Duplex>): void {
  server.on("request", (request, response) => {
    routes.look();
    acceptAbsoluteForm(request);
    route(routes, request, response).catch((error: unknown) => {
      routes.log("request.failed", { error: messageOf(error) });
      response.destroy();
    });
  });
  answerMalformed(server);
  // For `Expect: 100-continue` the handler decides; without this, Node would continue at once.
  server.on("checkContinue", (request, response) => server.emit("request", request, response));
  server.on("upgrade", (request, socket, head) => {
    routes.look();
    acceptAbsoluteForm(request);
    upgraded.add(socket);
    socket.once("close", () => upgraded.delete(socket));
    void routes.proxy.upgrade(request, socket, head);
  });
}

async function route(routes: AgentRoutes, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (routes.proxy.ownsHost(request.headers.host)) return routes.proxy.request(request, response);
  const [path = ""] = (request.url ?? "").split("?", 1);
  switch (path) {
    case "/healthz":
      return sendJson(response, routes.health());
    case "/webhook": {
      if (request.method !== "POST") {
        response.setHeader("allow", "POST");
        return sendJson(response, { status: 405, body: { error: { message: "webhooks are POSTed" } } });
      }
      if (request.headers.expect !== undefined) response.writeContinue();
      const body = await readBody(request);
      if (body) return sendJson(response, routes.webhook(body, singleHeaders(request)));
      response.setHeader("connection", "close");
      const message = `a webhook has at most ${apiBodyMaxBytes} bytes`;
      return sendJson(response, { status: 413, body: { error: { message } } });
    }
    default: {
      const requested = parseOutputPath(path);
      return requested
        ? sendOutput(routes, requested, request, response)
        : routes.proxy.request(request, response);
    }
  }
}

async function sendOutput(
  { output, log }: AgentRoutes,
  requested: OutputRequest,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== "GET") {
    response.setHeader("allow", "GET");
    return sendJson(response, { status: 405, body: { error: { message: "output is asked for with GET" } } });
  }
  const left = new AbortController();
  response.once("close", () => left.abort());
  const answer = output(requested, singleHeaders(request), left.signal);
  return "events" in answer ? sendEvents(response, answer.events, log) : sendJson(response, answer);
}

/** The whole body, or null where it is larger than a webhook may be. Rejects if it breaks off or is too slow. */
async function readBody(request: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const slow = setTimeout(() => request.destroy(), webhookBodyTimeoutMs);
  // Not a `for await`, which would destroy the request, and its answer with it, when it is left early.
  const tooLarge = await new Promise<boolean>((resolve, reject) => {
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > apiBodyMaxBytes) resolve(true);
      else chunks.push(chunk);
    });
    request.once("end", () => resolve(false));
    request.once("error", reject);
    request.once("close", () => reject(new Error("the request was broken off")));
  }).finally(() => clearTimeout(slow));
  return tooLarge ? null : Buffer.concat(chunks);
}

function singleHeaders(request: IncomingMessage): Record<string, string> {
  const entries = Object.entries(request.headers);
  return Object.fromEntries(
    entries.flatMap(([name, value]) => (typeof value === "string" ? [[name, value]] : [])),
  );
}

function sendJson(response: ServerResponse, answer: WebhookAnswer): void {
  response.statusCode = answer.status;
  for (const [name, value] of Object.entries(answer.headers ?? {})) response.setHeader(name, value);
  if (answer.body === undefined) {
    response.end();
    return;
  }
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(answer.body));
}

function urlOf(host: string, address: AddressInfo | string | null): string {
  if (typeof address !== "object" || address === null) throw new Error("the server has no TCP address");
  return `http://${host.includes(":") ? `[${host}]` : host}:${address.port}`;
}
