import type { FastifyRequest } from "fastify";
import { sessionHeader } from "../../contract/session-header.ts";
import { BtarError } from "../../domain/errors.ts";

const name = "btar-session";

/** The token of a session, which scripts of the page cannot read and other sites cannot send. */
export function sessionCookie(request: FastifyRequest, token: string, expiresAt: Date): string {
  return `${name}=${encodeURIComponent(token)}; Expires=${expiresAt.toUTCString()}; ${attributes(request)}`;
}

/** Makes the browser forget it. */
export function endedSessionCookie(request: FastifyRequest): string {
  return `${name}=; Max-Age=0; ${attributes(request)}`;
}

/** @returns undefined when there is no session @throws {BtarError} CROSS_SITE_REQUEST */
export function sessionToken(request: FastifyRequest): string | undefined {
  const cookies = (request.headers.cookie ?? "").split(";").map((cookie) => cookie.trim());
  const value = cookies.find((cookie) => cookie.startsWith(`${name}=`))?.slice(name.length + 1);
  if (value === undefined || value === "") return undefined;
  if (request.headers[sessionHeader] === undefined) {
    throw new BtarError("CROSS_SITE_REQUEST", {
      message: "A request with a session's cookie may come from the console only",
      hint: `send the header ${sessionHeader}, or a token instead of the cookie`,
    });
  }
  return decoded(value);
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value; // of another program on this host, and no token of btar's
  }
}

/** Over TLS, this server's or a trusted proxy's, the browser must not send it without. */
function attributes(request: FastifyRequest): string {
  return `Path=/; HttpOnly; SameSite=Strict${request.protocol === "https" ? "; Secure" : ""}`;
}
