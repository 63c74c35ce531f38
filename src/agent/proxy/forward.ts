import {
  type Agent,
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import { type Readable, Transform } from "node:stream";
import { tcpKeepAliveMs } from "../clock.ts";
import { after } from "../timers.ts";
import type { ProxiedBackend } from "./admission.ts";
import { corsFor } from "./cors.ts";
import { answerHeaders, forwardedTrailers } from "./headers.ts";

export interface Upstream {
  backend: Pick<ProxiedBackend, "spawn" | "address" | "mayRun">;
  /** Connections that are kept between requests. */
  pool: Agent;
  /** How long the backend may take to accept a connection. */
  connectTimeoutMs: number;
}

/** The backend did not accept a connection in time. */
export class ConnectTimeout extends Error {}

const answerHeadMaxBytes = 64 * 1024;

/** RFC 9110 9.2.1. Requests by these methods change nothing, so they may be sent twice. */
const safeMethods = new Set(["GET", "HEAD", "OPTIONS"]);
/** Methods without a body, for which `content-length: 0` can be left out. */
const bodilessMethods = new Set([...safeMethods, "DELETE", "TRACE"]);

/**
 * Sends a request to a backend and its answer back, both as streams with back-pressure, trailers included.
 *
 * The backend may close a kept-alive connection just when it is used. So only safe requests without a body use one,
 * with a retry over a fresh connection if that fails before any byte of an answer; every other request has a fresh
 * connection of its own and is never retried.
 *
 * @param message what the backend gets: headers without `content-length: 0` where that is merely left out
 * @param onFailure called at most once, and only while the client has not got the head of an answer; an answer that
 *   breaks off later breaks the client's connection
 */
export function forwardRequest(
  request: IncomingMessage,
  response: ServerResponse,
  upstream: Upstream,
  message: { path: string; headers: string[] },
  onFailure: (error: Error) => void,
): void {
  const { method = "GET" } = request;
  const isChunked = request.headers["transfer-encoding"] !== undefined;
  const hasBody = isChunked || Number(request.headers["content-length"] ?? 0) > 0;
  const mayRepeat = !hasBody && safeMethods.has(method);
  const { path, headers } = message;
  if (!isChunked && request.headers["content-length"] === undefined && !bodilessMethods.has(method)) {
    headers.push("content-length", "0");
  }
  let outgoing: ClientRequest | undefined;

  function giveUp(error: Error): void {
    if (hasBody) drain(request, outgoing);
    onFailure(error);
  }

  function send(agent: Agent | false): void {
    const { address } = upstream.backend;
    if (address === null) {
      giveUp(new Error("the backend has ended"));
      return;
    }
    const { host, port } = address;
    const sent = httpRequest({ agent, host, port, method, path, headers, setHost: false });
    acceptLargeHeads(sent);
    outgoing = sent;
    let bytesBefore = 0;
    let socket: Socket | undefined;
    let answer: IncomingMessage | undefined;
    let hasFailed = false;
    sent.once("socket", (assigned: Socket) => {
      socket = assigned;
      bytesBefore = assigned.bytesRead;
      assigned.setKeepAlive(true, tcpKeepAliveMs);
      if (assigned.connecting) limitConnecting(sent, assigned, upstream.connectTimeoutMs);
    });
    sent.on("error", (error) => {
      hasFailed = true;
      if (response.destroyed || answer?.complete) return;
      if (response.headersSent) return breakOff(response);
      const isUnanswered = socket === undefined || socket.bytesRead === bytesBefore;
      if (mayRepeat && sent.reusedSocket && isUnanswered) return send(false);
      giveUp(error);
    });
    sent.once("close", () => {
      // Node emits nothing else for a switch of protocols that was not requested.
      if (!answer && !hasFailed && !response.destroyed) giveUp(new Error("it did not answer in HTTP"));
    });
    sent.once("response", (received) => {
      if (!upstream.backend.mayRun) {
        sent.destroy(leaseLost());
        return;
      }
      try {
        sendBack(received, response, gateOf(upstream, sent));
        answer = received;
      } catch (error) {
        // Node reads some of what it refuses to write: control characters in the reason, which it keeps for later.
        response.statusMessage = "";
        sent.destroy(error instanceof Error ? error : new Error(String(error)));
        return;
      }
      if (hasBody) received.once("end", () => drain(request, sent));
    });
    if (!hasBody) {
      sent.end();
      return;
    }
    if (request.headers.expect !== undefined) {
      sent.once("continue", () => response.writeContinue());
      sent.flushHeaders();
    }
    request.once("end", () => sendTrailers(request, sent));
    through(request, gateOf(upstream, sent)).pipe(sent);
  }

  response.once("close", () => {
    if (!response.writableFinished) outgoing?.destroy();
  });
  send(mayRepeat ? upstream.pool : false);
}

/** Lets an answer have a head of 64 KiB, in any number of lines, where Node takes 16 KiB and drops what follows 2,000. */
export function acceptLargeHeads(sent: ClientRequest): void {
  // Node reads it from the request when it gets its socket; as an option it could not be given for a WebSocket.
  Object.assign(sent, { maxHeaderSize: answerHeadMaxBytes });
  sent.maxHeadersCount = 0;
}

/** Destroys a request with `ConnectTimeout` whose new socket is not connected within `ms`. */
export function limitConnecting(sent: ClientRequest, socket: Socket, ms: number): void {
  const cancel = after(ms, () => sent.destroy(new ConnectTimeout("the backend accepts no connection")));
  socket.once("connect", cancel);
  socket.once("close", cancel);
}

function leaseLost(): Error {
  return new Error("the lease ran out under which the backend holds its key");
}

/**
 * What bytes from and to a backend with a key pass through: each chunk only while the lease is held, since this process
 * may have been frozen before it. Null for a backend without a key. @param sent destroyed at the first chunk too late
 */
function gateOf({ backend }: Upstream, sent: ClientRequest): Transform | null {
  if (typeof backend.spawn.key !== "string") return null;
  return new Transform({
    transform(chunk, _encoding, pass) {
      if (backend.mayRun) pass(null, chunk);
      else sent.destroy(leaseLost());
    },
  });
}

function through(source: Readable, gate: Transform | null): Readable {
  return gate === null ? source : source.pipe(gate);
}

function sendBack(answer: IncomingMessage, response: ServerResponse, gate: Transform | null): void {
  const { statusCode = 502, statusMessage } = answer;
  response.writeHead(statusCode, statusMessage, [
    ...answerHeaders(answer.rawHeaders),
    ...Object.entries(corsFor(answer.rawHeaders)).flat(),
  ]);
  answer.on("error", () => breakOff(response));
  // By then, body bytes that arrived with the head are parsed.
  process.nextTick(() => {
    if (response.destroyed) return;
    if (answer.complete) {
      const body: unknown = answer.read();
      sendTrailers(answer, response);
      response.end(body);
      return;
    }
    // The head must not wait for the first bytes of a stream, and goes out with them if they are here.
    if (answer.readableLength === 0) response.flushHeaders();
    answer.once("end", () => sendTrailers(answer, response));
    through(answer, gate).pipe(response);
  });
}

function sendTrailers({ rawTrailers }: IncomingMessage, to: ServerResponse | ClientRequest): void {
  if (rawTrailers.length > 0) to.addTrailers(forwardedTrailers(rawTrailers));
}

/**
 * Reads what is left of a request that is answered early: the client may read no answer before it has sent all, and
 * its next request comes after that.
 */
function drain(request: IncomingMessage, sent: ClientRequest | undefined): void {
  if (request.complete) return;
  request.unpipe();
  sent?.destroy();
  request.resume();
}

/** Ends an answer so that the client sees it as truncated. */
function breakOff(response: ServerResponse): void {
  // HTTP/1.0 has no framing but the connection's end, which must not be a clean one.
  if (response.req.httpVersion === "1.0") response.socket?.resetAndDestroy();
  else response.socket?.destroySoon();
}
