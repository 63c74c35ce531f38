import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createSocketServer, type Server } from "node:net";
import { pipeline, Readable, type Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { brotliCompressSync, constants, createBrotliCompress, createGzip, gzipSync } from "node:zlib";
import type { HostilePlace } from "./hostile-place.ts";

const mib = 1024 * 1024;

async function bombOf(coding: "br" | "gzip", bytes: number): Promise<Buffer> {
  const zeros = Buffer.alloc(mib);
  const coder =
    coding === "gzip"
      ? createGzip({ level: 9 })
      : createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 4 } });
  pipeline(Readable.from(Array.from({ length: bytes / mib }, () => zeros)), coder, () => undefined);
  return buffer(coder);
}

/** Writes a piece over and over, for as long as it is read or until there are so many bytes. */
function flood(to: Writable, piece: string, bytes: number): void {
  let left = bytes;
  const more = () => {
    do left -= piece.length;
    while (left > 0 && !to.destroyed && to.write(piece));
    if (left <= 0) to.end();
  };
  to.on("drain", more);
  more();
}

async function listening(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/**
 * Starts a server whose answers take more than they seem to, whatever the method and whatever else is in the path.
 * @param bytes what the bombs become when they are decoded, and what the floods send
 */
export async function startHostileAnswers(bytes = 64 * mib): Promise<HostilePlace & AsyncDisposable> {
  const bombs = { br: await bombOf("br", bytes), gzip: await bombOf("gzip", bytes) };
  const said = Buffer.from('{"said":"ä"}');
  const coded = (response: ServerResponse, coding: string, bytes: Buffer) =>
    response.writeHead(200, { "content-encoding": coding, "content-length": bytes.length }).end(bytes);
  const answers: Record<string, (response: ServerResponse) => void> = {
    short: (response) => response.writeHead(200, { "content-length": said.length }).end(said),
    chunked: (response) => response.write(said.subarray(0, -3), () => response.end(said.subarray(-3))),
    identity: (response) => coded(response, "identity", said),
    "small-br": (response) => coded(response, "br", brotliCompressSync(said)),
    "small-gzip": (response) => coded(response, "gzip", gzipSync(said)),
    "small-unknown": (response) => coded(response, "x-other", said),
    "bomb-br": (response) => coded(response, "br", bombs.br),
    "bomb-gzip": (response) => coded(response, "gzip", bombs.gzip),
    flood: (response) => flood(response, "x".repeat(65_536), bytes),
    silent: (response) => response.write("{"),
    redirect: (response) => response.writeHead(307, { location: "/echo" }).end(),
  };
  const server = createServer((request, response) => {
    response.on("error", () => undefined);
    request.resume();
    const [kind = ""] = (request.url ?? "").slice(1).split(/[/?]/);
    const answer = answers[kind];
    if (kind === "echo") response.end(JSON.stringify(request.headers));
    else if (answer) answer(response);
    else response.writeHead(404).end();
  });
  // Node's own server does not write what contradicts itself.
  const smuggler = createSocketServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => {
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n");
      flood(socket, `10000\r\n${"x".repeat(65_536)}\r\n`, bytes);
    });
  });
  const [url, smuggledUrl] = [await listening(server), await listening(smuggler)];
  return {
    url,
    smuggledUrl,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      smuggler.close();
    },
  };
}
