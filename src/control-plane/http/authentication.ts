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

/** Finds out who asks, by a token or a session. */
export class Authentication {
  readonly #context: ControlPlaneContext;
  /** Looks those of requests up together that come at once. */
  readonly #tokens: BatchLoader<string, PersonalToken | undefined>;
  /** Prefixes of tokens whose use is being noted: of many requests that come at once, one does that. */
  readonly #noting = new Set<string>();

  constructor(context: ControlPlaneContext) {
    const { pool } = context.catalog;
    this.#context = context;
    this.#tokens = new BatchLoader(async (texts) => await findAccessTokens(pool, texts));
  }

  /** @throws {BtarError} TOKEN_INVALID, TOKEN_EXPIRED, CROSS_SITE_REQUEST */
  async authenticate(request: FastifyRequest): Promise<void> {
    if (request.routeOptions.config.access === "public") return;
    const { authorization } = request.headers;
    const text = authorization === undefined ? sessionToken(request) : schemes.exec(authorization)?.[1];
    if (text === undefined) {
      throw new BtarError("TOKEN_INVALID", {
        message: "Missing token",
        hint: "send the header Authorization: aivenv1 TOKEN",
      });
    }
    const token = await this.#tokens.load(text);
    // Clients look for these words.
    if (!token) throw new BtarError("TOKEN_INVALID", { message: "Invalid token" });
    if (token.expires_at && token.expires_at <= this.#context.clock.now()) {
      throw new BtarError("TOKEN_EXPIRED", { message: "Missing (expired) db token" });
    }
    await this.#noteUse(token, request);
    request.token = token;
  }

  async #noteUse(token: PersonalToken, request: FastifyRequest): Promise<void> {
    if (this.#noting.has(token.prefix)) return;
    const { catalog, clock } = this.#context;
    const use = { ip: request.ip, userAgent: request.headers["user-agent"], now: clock.now() };
    this.#noting.add(token.prefix);
    try {
      await touchAccessToken(catalog.db, token, use);
    } finally {
      this.#noting.delete(token.prefix);
    }
  }
}

/** Who asks, for events. */
export function actorOf(request: FastifyRequest): string {
  return request.token?.user_email ?? "btar";
}
