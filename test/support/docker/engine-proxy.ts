import { once } from "node:events";
import { createServer, type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { makeFolder } from "../folder.ts";

/** Stands before an engine's socket and can lose what the engine answers. */
export interface EngineProxy extends AsyncDisposable {
  socketPath: string;
  /** The requests received: method and address, as they came. */
  requests: string[];
  /** Those that wait for an answer or its end. */
  underWay: Set<string>;
  /** Whether the connection is closed instead of passing on the answer to a request that the engine has done. */
  losesAnswer: (request: IncomingMessage) => boolean;
  /** Whether an answer is passed on as the last: from then on nobody is there, until it comes back. */
  goesAwayAfter: (request: IncomingMessage) => boolean;
  comeBack(): Promise<void>;
}

export async function startEngineProxy(engineSocketPath: string): Promise<EngineProxy> {
  const folder = await makeFolder();
  const socketPath = join(folder.path, "proxy.sock");
  const server = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming;
    const received = `${method} ${url}`;
    proxy.requests.push(received);
    proxy.underWay.add(received);
    const passed = request({ socketPath: engineSocketPath, method, path: url, headers }, (answer) => {
      if (proxy.losesAnswer(incoming)) {
        answer.resume();
        outgoing.destroy();
        return;
      }
      const isLast = proxy.goesAwayAfter(incoming);
      if (isLast) server.close();
      outgoing.writeHead(answer.statusCode ?? 500, {
        ...answer.headers,
        ...(isLast && { connection: "close" }),
      });
      outgoing.flushHeaders();
      answer.pipe(outgoing);
      answer.once("error", () => outgoing.destroy());
    });
    passed.once("error", () => outgoing.destroy());
    outgoing.once("close", () => {
      proxy.underWay.delete(received);
      passed.destroy();
    });
    incoming.pipe(passed);
  });
  async function listen(): Promise<void> {
    server.listen(socketPath);
    await once(server, "listening");
  }
  await listen();
  const proxy: EngineProxy = {
    socketPath,
    requests: [],
    underWay: new Set(),
    losesAnswer: () => false,
    goesAwayAfter: () => false,
    comeBack: listen,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await folder[Symbol.asyncDispose]();
    },
  };
  return proxy;
}
