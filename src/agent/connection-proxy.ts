import { type ClientRequest, type IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createProxyServer } from "httpxy";
import { fail } from "../domain/result.ts";
import { endWhenClientLeaves } from "./client-departure.ts";
import type { AgentClock } from "./clock.ts";
import { type Admission, type AdmissionOptions, admit } from "./connection-admission.ts";
import { failureAnswer, sendAnswer, writeAnswer } from "./connection-answers.ts";
import { forwardedHeaders } from "./connection-headers.ts";
import { type Log, messageOf } from "./log.ts";

export interface ConnectionProxy {
  request(request: IncomingMessage, response: ServerResponse): Promise<void>;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>;
}

/** Forwards connections to the backends they name, once they are admitted and the backend is ready. */
export function connectionProxy(
  options: AdmissionOptions & { clock: Pick<AgentClock, "connectionWaitMs">; log: Log },
): ConnectionProxy {
  const { clock, log } = options;
  // One connection upstream a request: a kept one might have been closed by the backend just when it is used.
  const proxy = createProxyServer({ agent: false, xfwd: true });
  /** Sockets that have switched protocols: HTTP is no longer spoken there. */
  const tunnels = new WeakSet<Duplex>();
  const stopWatching = new WeakMap<Duplex, () => void>();

  proxy.on("error", (error, request, response) => {
    log("connection.failed", { error: messageOf(error) });
    const failure = fail(
      "cluster_bad_answer",
      "the backend could not be reached or broke the connection off",
    );
    const answer = failureAnswer(failure.error, request?.headers.accept, "backend_unreachable");
    if (response instanceof ServerResponse) sendAnswer(response, answer);
    else if (response instanceof Socket && !tunnels.has(response)) writeAnswer(response, answer);
  });
  proxy.on("proxyRes", (upstream) => {
    delete upstream.headers.connection;
    delete upstream.headers["keep-alive"];
  });
  proxy.on("proxyReqWs", (upstream, _request, socket) => {
    upstream.once("upgrade", () => {
      stopWatching.get(socket)?.();
      tunnels.add(socket);
    });
    tieTogether(upstream, socket);
  });

  /** The port to forward to, once there is one, and what ends the connection's being counted. */
  async function open({ backend }: Admission) {
    if (backend.port === null) await backend.whenReady(clock.connectionWaitMs);
    const { port } = backend;
    if (port === null) {
      return fail("unavailable", "the backend is not ready", { retryAfterSeconds: 1 });
    }
    return { ok: true as const, value: { port, close: backend.openConnection() } };
  }

  async function handleRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { accept } = request.headers;
    const admitted = await admit(request, options);
    if (!admitted.ok) return sendAnswer(response, failureAnswer(admitted.error, accept));
    const { claims, path, tokenInHeader } = admitted.value;
    if (path.kind === "redirect") {
      response.writeHead(307, { location: path.location, "cache-control": "no-store" });
      response.end();
      return;
    }
    const opened = await open(admitted.value);
    if (!opened.ok) return sendAnswer(response, failureAnswer(opened.error, accept));
    if (response.destroyed) return opened.value.close();
    response.once("close", opened.value.close);
    request.headers = forwardedHeaders(request.headers, claims, { tokenInHeader, isUpgrade: false });
    request.url = path.path;
    await proxy.web(request, response, { target: { host: "127.0.0.1", port: opened.value.port } });
  }

  async function handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const { accept } = request.headers;
    const admitted = await admit(request, options);
    if (!admitted.ok) return writeAnswer(socket, failureAnswer(admitted.error, accept));
    const { claims, path, tokenInHeader } = admitted.value;
    const opened = await open(admitted.value);
    if (!opened.ok) return writeAnswer(socket, failureAnswer(opened.error, accept));
    if (socket.destroyed || !(socket instanceof Socket)) return opened.value.close();
    socket.once("close", opened.value.close);
    request.headers = forwardedHeaders(request.headers, claims, { tokenInHeader, isUpgrade: true });
    // WebSocket clients follow no redirects, so a missing slash is forgiven.
    request.url = path.kind === "forward" ? path.path : `/${path.location.replace(/^[^?]*/, "")}`;
    await proxy.ws(request, socket, { target: { host: "127.0.0.1", port: opened.value.port } }, head);
  }

  return {
    async request(request, response) {
      try {
        await handleRequest(request, response);
      } catch (error) {
        log("connection.error", { error: messageOf(error) });
        sendAnswer(response, internalError(request));
      }
    },
    async upgrade(request, socket, head) {
      socket.on("error", () => socket.destroy());
      stopWatching.set(socket, endWhenClientLeaves(socket));
      try {
        await handleUpgrade(request, socket, head);
      } catch (error) {
        log("connection.error", { error: messageOf(error) });
        writeAnswer(socket, internalError(request));
      }
    },
  };
}

function internalError(request: IncomingMessage) {
  return failureAnswer(
    fail("internal_error", "the connection could not be forwarded").error,
    request.headers.accept,
  );
}

/** Lets neither side of a WebSocket outlive the other, whatever way it ends. */
function tieTogether(upstream: ClientRequest, socket: Socket): void {
  socket.once("close", () => upstream.destroy());
  upstream.once("upgrade", (_response, upstreamSocket) => {
    socket.once("close", () => upstreamSocket.destroy());
    upstreamSocket.once("close", () => socket.destroySoon());
  });
}
