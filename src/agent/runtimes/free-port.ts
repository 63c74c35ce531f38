import { createServer } from "node:net";

/**
 * Below the ephemeral ports of Linux, macOS and Windows, so that no outgoing connection and no listener on port 0 is
 * given the port between finding it here and listening on it.
 */
const lowestPort = 20_000;
const highestPort = 32_000;

/** A TCP port of 127.0.0.1 that nothing listens on and that is not in `taken`. */
export async function freePort(taken: ReadonlySet<number>): Promise<number> {
  for (;;) {
    const port = lowestPort + Math.floor(Math.random() * (highestPort - lowestPort));
    if (!taken.has(port) && (await isFree(port))) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(true)));
  });
}
