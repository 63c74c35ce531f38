import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** Stands before a server and passes every byte on, in both directions. */
export interface CountingProxy extends AsyncDisposable {
  /** Where it listens. */
  host: string;
  /** Resolves when clients have sent this many bytes more. */
  passed(bytes: number): Promise<void>;
}

/** @param target `host:port` of the server. Where that is down, connections are closed. */
export async function startCountingProxy(target: string): Promise<CountingProxy> {
  const { hostname, port } = new URL(`http://${target}`);
  const open = new Set<Socket>();
  const waiting: { left: number; done: () => void }[] = [];
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        open.delete(socket);
        other.destroy();
      });
    }
    client.on("data", (data) => {
      for (const wait of waiting) {
        wait.left -= data.length;
        if (wait.left <= 0) wait.done();
      }
    });
    client.pipe(upstream);
    upstream.pipe(client);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    host: `127.0.0.1:${typeof address === "object" && address ? address.port : 0}`,
    passed: (bytes) => new Promise((done) => waiting.push({ left: bytes, done })),
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
    },
  };
}
