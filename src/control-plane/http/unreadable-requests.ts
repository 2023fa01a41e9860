import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { answerOf } from "./error-answer.ts";

const reasons: Readonly<Record<string, readonly [status: number, message: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, "The request did not arrive in time"],
  HPE_HEADER_OVERFLOW: [431, "The headers of the request are too large; 16 KiB are taken"],
};

/** Refuses what is no HTTP request, in the shape of every refusal, and hangs up: what follows on it means nothing. */
export function refuseUnreadable(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === "ECONNRESET" || socket.destroyed) return;
  const [status, message] = reasons[error.code ?? ""] ?? [400, "The request is not HTTP"];
  if (socket.writable) {
    const body = JSON.stringify(answerOf(status, message, "invalid_input").answer);
    const head = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      "Connection: close",
      "Content-Type: application/json",
      `Content-Length: ${Buffer.byteLength(body)}`,
    ];
    socket.write(`${head.join("\r\n")}\r\n\r\n${body}`);
  }
  socket.destroy(error);
}
