import type { Server } from "node:http";
import type { Socket } from "node:net";

/** For answers that are being made. */
const graceMs = 2000;

/**
 * Lets a server close soon: who has asked gets an answer, and is then hung up on. Without this, connections on which
 * nothing was asked yet, as browsers make them ahead of need, would hold it up for a minute and more.
 * @returns to be called when the server is about to close
 */
export function endConnectionsOf(server: Server): () => void {
  const open = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
  });
  return () => {
    setTimeout(() => {
      for (const socket of open) socket.destroy();
    }, graceMs).unref();
  };
}
