import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** A connection on which a test writes and reads the bytes of HTTP itself. */
export interface RawConnection {
  socket: Socket;
  /** What has come so far. */
  received(): string;
  write(text: string): void;
  /** Resolves to everything that came, once the other side has ended or broken off. */
  ended(): Promise<{ text: string; broken: boolean }>;
}

export async function connectRaw(port: number): Promise<RawConnection> {
  const socket = connect(port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  let text = "";
  let broken = false;
  socket.setEncoding("latin1").on("data", (piece: string) => {
    text += piece;
  });
  socket.on("error", () => {
    broken = true;
  });
  const closed = new Promise((resolve) => socket.once("close", resolve));
  await once(socket, "connect");
  return {
    socket,
    received: () => text,
    write: (piece) => void socket.write(piece, "latin1"),
    async ended() {
      await closed;
      return { text, broken };
    },
  };
}

/** Sends one message and gives what was answered until the connection closed. */
export async function exchangeRaw(port: number, message: string): Promise<string> {
  const connection = await connectRaw(port);
  connection.write(message);
  return (await connection.ended()).text;
}
