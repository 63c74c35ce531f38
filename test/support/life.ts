import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { z } from "zod";

/** A backend that answers with its process id, and holds one answer open until its process ends. */
export const lifeProgram = `
const port = Number(process.env.PORT);
const fencing_token = Number(process.env.SESSION_BACKEND_FENCING_TOKEN);
require("node:http").createServer((request, response) => {
  response.write(JSON.stringify({ pid: process.pid, port, fencing_token }));
  if (request.url !== "/life") response.end();
}).listen(port, "127.0.0.1");
`;

const page = z.object({ pid: z.int(), port: z.int(), fencing_token: z.int() });

/** The process of a backend that runs `lifeProgram`. */
export interface Life extends Disposable {
  pid: number;
  fencingToken: number;
  /** When the kernel closed a connection to it that nothing else closes, in milliseconds since the epoch. */
  endedAt: number | null;
}

/** @param url where clients reach the backend, which must be ready */
export async function watchLife(url: string): Promise<Life> {
  const { pid, port, fencing_token } = page.parse(await (await fetch(url)).json());
  const request = get(`http://127.0.0.1:${port}/life`, { agent: false });
  const [response]: IncomingMessage[] = await once(request, "response");
  if (!response) throw new Error(`${url} gave no answer`);
  const life: Life = {
    pid,
    fencingToken: fencing_token,
    endedAt: null,
    [Symbol.dispose]: () => request.destroy(),
  };
  response.resume();
  response.on("error", () => undefined);
  response.once("close", () => {
    life.endedAt = Date.now();
  });
  return life;
}
