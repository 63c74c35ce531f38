import { createConnection } from "node:net";

/** A bound for giving up: an address that swallows what is sent to it gives no answer at all. */
const noAnswerMs = 2_000;

/** Whether something accepts connections at an address. */
export function connects(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host, timeout: noAnswerMs });
    const answer = (reached: boolean) => {
      socket.destroy();
      resolve(reached);
    };
    socket.once("connect", () => answer(true));
    socket.once("error", () => answer(false));
    socket.once("timeout", () => answer(false));
  });
}
