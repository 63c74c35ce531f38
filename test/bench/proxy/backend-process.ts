import { once } from "node:events";
import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import { answerBytes } from "./protocol.ts";

/*
 * The backend that is proxied, in a separate process: fixed answers over HTTP, and an echo over WebSockets. It sends its
 * port and ends when its parent does.
 */

const bodies = new Map(
  Object.entries(answerBytes).map(([path, bytes]) => [path, Buffer.alloc(bytes, "slipway ")]),
);
const server = createServer((request, response) => {
  const body = bodies.get(request.url ?? "");
  request.resume();
  response.writeHead(body ? 200 : 404, {
    "content-type": "application/octet-stream",
    "content-length": body?.length ?? 0,
  });
  response.end(body);
});
const sockets = new WebSocketServer({ server });
sockets.on("connection", (socket) => {
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const address = server.address();
process.send?.({ port: typeof address === "object" && address ? address.port : 0 });
process.once("disconnect", () => process.exit());
