import { type Server, type ServerResponse, STATUS_CODES } from "node:http";
import { Socket } from "node:net";
import { corsHeaders } from "../proxy/cors.ts";

/** What Node says of a request that it cannot read, or does not want to. Everything else is 400. */
const statuses: Record<string, number> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

/** Answers requests that never become one as Node does, but so that a page can read it: a head may be too large. */
export function answerMalformed(server: Server): void {
  /** What is not answered to its end yet, on each connection. */
  const open = new WeakMap<Socket, Set<ServerResponse>>();
  server.prependListener("request", ({ socket }, response) => {
    const responses = open.get(socket) ?? new Set();
    open.set(socket, responses.add(response));
    response.once("close", () => responses.delete(response));
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    const begun = socket instanceof Socket ? [...(open.get(socket) ?? [])] : [];
    // In the midst of another answer it would become a part of that.
    if (!socket.writable || begun.some(({ headersSent }) => headersSent)) {
      socket.destroy();
      return;
    }
    const status = statuses[error.code ?? ""] ?? 400;
    const headers = { ...corsHeaders, "content-length": 0, connection: "close" };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join("")}\r\n`, () => socket.destroy());
  });
}
