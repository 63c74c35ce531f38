/**
 * A session backend for containers. Over HTTP and WebSocket it answers with what reaches it, and over HTTP with what it was
 * started with; `/exit/<code>` ends it. Its argument is its version.
 */
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

const [version = ""] = process.argv.slice(2);

const server = createServer(({ url = "", headers }, response) => {
  console.log(`asked for ${url}`);
  const [, exitCode] = /^\/exit\/(\d+)$/.exec(url) ?? [];
  response.end(JSON.stringify({ version, url, headers, env: process.env }), () => {
    if (exitCode !== undefined) process.exit(Number(exitCode));
  });
});
new WebSocketServer({ server }).on("connection", (socket, { url, headers }) => {
  socket.send(JSON.stringify({ url, headers }));
  socket.on("message", (data, binary) => socket.send(data, { binary }));
});
server.listen(Number(process.env.PORT), () => console.log(`version ${version} listens`));

process.once("SIGTERM", () => {
  console.log("asked to end");
  process.exit(0);
});
