import type { FastifyRequest } from "fastify";
import { findAccessTokens, type PersonalToken, touchAccessToken } from "../../catalog/access-tokens.ts";
import { BtarError } from "../../domain/errors.ts";
import { BatchLoader } from "../../platform/batch-loader.ts";
import type { ControlPlaneContext } from "../context.ts";
import { sessionToken } from "../people/session-cookie.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** The token of the request; undefined on public routes. */
    token: PersonalToken | undefined;
  }
}

const schemes = /^(?:aivenv1|bearer) +(\S+)$/i;

/** Finds tokens by their texts, those of requests that come at once together. */
export type TokenLoader = BatchLoader<string, PersonalToken | undefined>;

export function tokenLoader({ catalog }: ControlPlaneContext): TokenLoader {
  return new BatchLoader(async (texts) => await findAccessTokens(catalog.pool, texts));
}

/** Finds out who asks, by a token or a session. @throws {BtarError} TOKEN_INVALID, TOKEN_EXPIRED, CROSS_SITE_REQUEST */
export async function authenticate(
  context: ControlPlaneContext,
  tokens: TokenLoader,
  request: FastifyRequest,
): Promise<void> {
  if (request.routeOptions.config.access === "public") return;
  const { authorization } = request.headers;
  const text = authorization === undefined ? sessionToken(request) : schemes.exec(authorization)?.[1];
  if (text === undefined) {
    throw new BtarError("TOKEN_INVALID", {
      message: "Missing token",
      hint: "send the header Authorization: aivenv1 TOKEN",
    });
  }
  const { db } = context.catalog;
  const token = await tokens.load(text);
  // Clients look for these words.
  if (!token) throw new BtarError("TOKEN_INVALID", { message: "Invalid token" });
  if (token.expires_at && token.expires_at <= context.clock.now()) {
    throw new BtarError("TOKEN_EXPIRED", { message: "Missing (expired) db token" });
  }
  await touchAccessToken(db, token, {
    ip: request.ip,
    userAgent: request.headers["user-agent"],
    now: context.clock.now(),
  });
  request.token = token;
}

/** Who asks, for events. */
export function actorOf(request: FastifyRequest): string {
  return request.token?.user_email ?? "btar";
}
