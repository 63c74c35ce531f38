import type { Duplex } from "node:stream";

/**
 * Destroys the socket of an upgrade request as soon as its client leaves. Nobody reads such a socket before the
 * tunnel is open, and a socket that is not read does not emit its end. What the client sends meanwhile stays
 * in the socket's own bounded buffer.
 * @returns what stops the watch; call it before anything else reads the socket
 */
export function endWhenClientLeaves(socket: Duplex): () => void {
  const probe = () => {
    if (socket.readableLength === 0) socket.read();
  };
  const leave = () => socket.destroy();
  socket.on("readable", probe);
  socket.once("end", leave);
  return () => {
    socket.off("readable", probe);
    socket.off("end", leave);
  };
}
