import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { Transform } from "node:stream";

/** A TCP proxy that can simulate a partition: nothing passes in either direction, and neither end is notified. */
export interface Link extends AsyncDisposable {
  url: string;
  /** When bytes last went each way, in milliseconds since the epoch; 0 while none have. */
  passed: { toServerAt: number; toClientAt: number };
  cut(): void;
  /** Bytes sent meanwhile are delivered now, also those of requests that have timed out. */
  heal(): void;
}

/** @param port of a server on 127.0.0.1, which need not be there yet */
export async function startLink(port: number): Promise<Link> {
  const sockets = new Set<Socket>();
  const passed = { toServerAt: 0, toClientAt: 0 };
  let way = Promise.withResolvers<void>();
  way.resolve();

  /** Passes bytes and their end on whenever the way is open. */
  function gate(direction: keyof typeof passed): Transform {
    return new Transform({
      async transform(bytes, _encoding, pass) {
        await way.promise;
        passed[direction] = Date.now();
        pass(null, bytes);
      },
      async flush(pass) {
        await way.promise;
        pass();
      },
    });
  }

  function hold(socket: Socket): void {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
  }

  const server = createServer({ allowHalfOpen: true }, async (client) => {
    hold(client);
    await way.promise;
    const upstream = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    hold(upstream);
    client.pipe(gate("toServerAt")).pipe(upstream);
    upstream.pipe(gate("toClientAt")).pipe(client);
    for (const [broken, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      broken.once("error", async () => {
        await way.promise;
        other.destroy();
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`,
    passed,
    cut() {
      way = Promise.withResolvers<void>();
    },
    heal: () => way.resolve(),
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      way.resolve();
    },
  };
}
