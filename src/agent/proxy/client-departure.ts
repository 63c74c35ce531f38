import type { Duplex } from "node:stream";

/**
 * Destroys the socket of an upgrade request as soon as its client leaves. Nobody reads such a socket before the
 * tunnel is open, and a socket that is not read does not tell of its end. What the client sends meanwhile stays
 * in the socket's own bounded buffer.
 * @returns what stops the watch, to be called before the socket is read by somebody else
 */
export function endWhenClientLeaves(socket: Duplex): () => void {
  const look = () => {
    if (socket.readableLength === 0) socket.read();
  };
  const leave = () => socket.destroy();
  socket.on("readable", look);
  socket.once("end", leave);
  return () => {
    socket.off("readable", look);
    socket.off("end", leave);
  };
}
