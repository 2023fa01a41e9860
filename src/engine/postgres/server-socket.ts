import net from "node:net";
import { BtarError } from "../../domain/errors.ts";
import { connectSocket, endSocket, firstOf, type StartUp, secureSocket } from "../client-socket.ts";
import type { ServerAddress } from "../engine.ts";
import { formatAddress, protocolViolation } from "./server-error.ts";

/** Ask for TLS: length 8, code 1234.5679. https://www.postgresql.org/docs/current/protocol-message-formats.html */
const sslRequest = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

const terminate = Buffer.from([0x58, 0, 0, 0, 4]);

/**
 * Connects, and turns TLS on as the address asks.
 * @param plainSocket a new socket, to be used when there is no TLS
 * @throws {BtarError} SERVER_UNREACHABLE, SERVER_REFUSED (no TLS, certificate not trusted), SERVER_PROTOCOL, CANCELLED
 */
export async function openServerSocket(startUp: StartUp, plainSocket?: net.Socket): Promise<net.Socket> {
  const hasTls = startUp.address.tls.mode !== "disable";
  const socket = hasTls ? new net.Socket() : (plainSocket ?? new net.Socket());
  try {
    await connectSocket(socket, startUp);
    return hasTls ? await startTls(socket, startUp) : socket;
  } catch (cause) {
    socket.destroy();
    throw startUp.failure(cause);
  }
}

/** Takes leave of the server (Terminate) and waits for the end of the connection, but not for a dead server. */
export async function endSession(socket: net.Socket): Promise<void> {
  await endSocket(socket, terminate);
}

async function startTls(socket: net.Socket, startUp: StartUp): Promise<net.Socket> {
  const answer = await firstOf<Buffer>(socket, "data", startUp.signal, () => socket.write(sslRequest));
  socket.pause();
  // More than one byte would be plain text that somebody put before the encrypted stream.
  const reply = answer.toString("latin1");
  if (reply === "N") throw noTls(startUp.address);
  if (reply !== "S") throw protocolViolation(startUp.address, "an answer to the request for TLS that is none");
  return await secureSocket(socket, startUp);
}

function noTls(address: ServerAddress): BtarError {
  return new BtarError("SERVER_REFUSED", {
    message: `PostgreSQL at ${formatAddress(address)} does not offer TLS, and tls mode ${address.tls.mode} needs it`,
    hint: "turn TLS on in the server (ssl = on, ssl_cert_file, ssl_key_file), or use tls mode disable",
    details: { reason: "tls" },
  });
}
