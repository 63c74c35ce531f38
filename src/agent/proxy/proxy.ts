import { Agent, type IncomingMessage, type ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { fail } from "../../domain/result.ts";
import { type AgentClock, tcpKeepAliveMs } from "../clock.ts";
import { type Log, messageOf } from "../log.ts";
import { type Admission, admit, type KnownBackends, type ProxiedBackend, readyAddress } from "./admission.ts";
import { failureAnswer, type ProxyAnswer, redirectAnswer, sendAnswer, writeAnswer } from "./answers.ts";
import { backendIdOfHost } from "./backend-url.ts";
import { ConnectTimeout, forwardRequest } from "./forward.ts";
import { forwardedHeaders } from "./headers.ts";
import { tokenVerifier } from "./token-verifier.ts";
import type { VerificationKeys } from "./verification-keys.ts";
import { webSocketForwarder } from "./websocket.ts";

export interface BackendProxyOptions {
  account: string;
  cluster: string;
  backends: KnownBackends;
  keys: VerificationKeys;
  /** Where backends have hosts of their own (`parseBackendDomain`), null where they have not. */
  backendDomain: string | null;
  clock: Pick<AgentClock, "connectionWaitMs" | "clientPingEveryMs">;
  log: Log;
}

export interface BackendProxy {
  /** Whether a host is a backend's own, on which every path is the backend's. */
  ownsHost(host: string | undefined): boolean;
  request(request: IncomingMessage, response: ServerResponse): Promise<void>;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>;
}

/** Idle connections that are kept to one backend. */
const keptConnections = 64;

/** Forwards connections to the backends they name, once they are admitted and the backend is ready. */
export function backendProxy(options: BackendProxyOptions): BackendProxy {
  const { backends, backendDomain, clock, log } = options;
  const tokens = tokenVerifier(options);
  const connectTimeoutMs = clock.connectionWaitMs;
  /** One per backend: ports are reused, and a kept-alive connection must not lead to another backend. */
  const pools = new WeakMap<ProxiedBackend, Agent>();
  const webSockets = webSocketForwarder({
    connectTimeoutMs,
    pingEveryMs: clock.clientPingEveryMs,
    onFailure: (error, request, socket) => writeAnswer(socket, unreachable(error, request)),
  });

  function poolOf(backend: ProxiedBackend): Agent {
    const known = pools.get(backend);
    if (known) return known;
    // No limit on connections in use, else streams would block other requests.
    const pool = new Agent({
      keepAlive: true,
      keepAliveMsecs: tcpKeepAliveMs,
      maxFreeSockets: keptConnections,
    });
    pools.set(backend, pool);
    return pool;
  }

  function unreachable(error: Error, request: IncomingMessage | undefined): ProxyAnswer {
    log("connection.failed", { error: messageOf(error) });
    const accept = request?.headers.accept;
    if (error instanceof ConnectTimeout) {
      const failure = fail("cluster_timeout", "the backend did not accept a connection in time");
      return failureAnswer(failure.error, accept, "backend_timeout");
    }
    const failure = fail(
      "cluster_bad_answer",
      "the backend could not be reached or broke the connection off",
    );
    return failureAnswer(failure.error, accept, "backend_unreachable");
  }

  async function handleRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { accept } = request.headers;
    const admitted = await admit(request, { backends, backendDomain, tokens });
    if (!admitted.ok) return sendAnswer(response, failureAnswer(admitted.error, accept));
    const { backend, path } = admitted.value;
    if (path.kind === "redirect") return sendAnswer(response, redirectAnswer(path.location));
    const coding = request.headers["transfer-encoding"];
    if (coding !== undefined && coding.toLowerCase() !== "chunked") {
      const failure = fail("not_implemented", "a request body is sent as it is, or `chunked`");
      return sendAnswer(response, failureAnswer(failure.error, accept));
    }
    const ready = await readyAddress(backend, clock.connectionWaitMs);
    if (!ready.ok) return sendAnswer(response, failureAnswer(ready.error, accept));
    if (response.destroyed) return;
    response.once("close", backend.openConnection());
    forwardRequest(
      request,
      response,
      { backend, pool: poolOf(backend), connectTimeoutMs },
      { path: path.path, headers: headersFor(request, admitted.value, path.path) },
      (error) => sendAnswer(response, unreachable(error, request)),
    );
  }

  async function handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const { accept } = request.headers;
    const admitted = await admit(request, { backends, backendDomain, tokens });
    if (!admitted.ok) return writeAnswer(socket, failureAnswer(admitted.error, accept));
    const { backend, path } = admitted.value;
    const ready = await readyAddress(backend, clock.connectionWaitMs);
    if (!ready.ok) return writeAnswer(socket, failureAnswer(ready.error, accept));
    if (socket.destroyed || !(socket instanceof Socket)) return;
    socket.once("close", backend.openConnection());
    // WebSocket clients follow no redirects, so a missing slash is forgiven.
    const target = path.kind === "forward" ? path.path : `/${path.location.replace(/^[^?]*/, "")}`;
    await webSockets.forward(request, socket, head, {
      address: ready.value,
      path: target,
      headers: headersFor(request, admitted.value, target),
      mayRun: () => backend.mayRun,
    });
  }

  return {
    ownsHost: (host) => backendIdOfHost(host, backendDomain) !== null,
    async request(request, response) {
      try {
        await handleRequest(request, response);
      } catch (error) {
        log("connection.error", { error: messageOf(error) });
        sendAnswer(response, internalError(request));
      }
    },
    async upgrade(request, socket, head) {
      webSockets.watch(socket);
      try {
        await handleUpgrade(request, socket, head);
      } catch (error) {
        log("connection.error", { error: messageOf(error) });
        writeAnswer(socket, internalError(request));
      }
    },
  };
}

/** @param target what the backend gets as the request's target */
function headersFor(
  request: IncomingMessage,
  { verified, tokenInHeader }: Admission,
  target: string,
): string[] {
  const [path = ""] = target.split("?", 1);
  const { rawHeaders, httpVersion, socket } = request;
  return forwardedHeaders(
    { rawHeaders, httpVersion, peer: socket.remoteAddress },
    { verified: [...verified, "x-verified-path", path], tokenInHeader },
  );
}

function internalError(request: IncomingMessage): ProxyAnswer {
  return failureAnswer(
    fail("internal_error", "the connection could not be forwarded").error,
    request.headers.accept,
  );
}
