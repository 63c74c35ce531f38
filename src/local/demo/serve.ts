import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import { type Look, page } from "./page.ts";
import { Room } from "./room.ts";
import { sessionOf, verifiedUser } from "./session.ts";

const messageMaxBytes = 64 * 1024;

/** Serves a demo backend on `PORT`: a page, and a WebSocket that keeps everyone who has it open in sync. */
export function serve(look: Look): void {
  const session = sessionOf(process.env);
  const room = new Room({ hasNotes: look.hasNotes });

  const server = createServer((request, response) => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.writeHead(405, { allow: "GET, HEAD" }).end();
      return;
    }
    if ((request.url ?? "/").split("?", 1)[0] !== "/") {
      response
        .writeHead(404, { "content-type": "text/plain; charset=utf-8" })
        .end("There is only one page here.\n");
      return;
    }
    response.writeHead(200, { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" });
    response.end(page(look, session, verifiedUser(request.headers)));
  });

  const sockets = new WebSocketServer({ server, path: "/live", maxPayload: messageMaxBytes });
  sockets.on("connection", (socket, request) => {
    const visitor = {
      name: verifiedUser(request.headers) ?? "someone",
      send: (text: string) => socket.send(text),
    };
    socket.on("error", () => socket.terminate());
    socket.on("message", (data) => room.receive(visitor, data.toString()));
    socket.on("close", () => room.leave(visitor));
    room.enter(visitor);
  });

  server.listen(Number(process.env.PORT), process.env.HOST ?? "127.0.0.1", () => {
    console.log(`demo ${look.version} serves backend ${session.backendId}`);
  });
  process.once("SIGTERM", () => process.exit(0));
}
