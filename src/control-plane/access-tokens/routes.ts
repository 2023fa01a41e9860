import type { FastifyRequest } from "fastify";
import type { Selectable } from "kysely";
import { createAccessToken, describeAccessToken, revokeAccessToken } from "../../catalog/access-tokens.ts";
import type { AccessTokenTable } from "../../catalog/schema.ts";
import {
  createTokenBody,
  newTokenAnswer,
  tokenAnswer,
  tokensAnswer,
  updateTokenBody,
} from "../../contract/access-tokens.ts";
import { tokenPath } from "../../contract/paths.ts";
import { messageAnswer } from "../../contract/schema-parts.ts";
import { BtarError } from "../../domain/errors.ts";
import type { ControlPlaneContext } from "../context.ts";
import { answers } from "../http/answers.ts";
import type { ApiServer } from "../http/api-server.ts";
import { actorOf } from "../http/authentication.ts";
import { roleIn } from "../http/authorization.ts";

export function accessTokenRoutes(app: ApiServer, context: ControlPlaneContext): void {
  const { db } = context.catalog;

  app.get(
    "/v1/access_token",
    { schema: { summary: "Tokens of whoever asks", response: answers(tokensAnswer) } },
    async (request) => {
      const rows = await db
        .selectFrom("access_token")
        .selectAll()
        .where("user_email", "=", actorOf(request))
        .orderBy("created_at")
        .execute();
      return { tokens: rows.map((row) => tokenFields(row, request.token)) };
    },
  );

  app.post(
    "/v1/access_token",
    {
      schema: {
        summary: "Make a token; its text is shown once",
        body: createTokenBody,
        response: answers(newTokenAnswer),
      },
    },
    async (request) => {
      const { description, max_age_seconds, extend_when_used, role, project } = request.body;
      if (project != null) requireMembership(request, project);
      const { text, row } = await createAccessToken(db, {
        userEmail: actorOf(request),
        description,
        maxAgeSeconds: max_age_seconds ?? null,
        extendWhenUsed: extend_when_used ?? false,
        role: role ?? undefined,
        project: project ?? undefined,
        now: context.clock.now(),
      });
      return { ...tokenFields(row, request.token), full_token: text };
    },
  );

  app.put(
    "/v1/access_token/:token",
    {
      schema: {
        summary: "Say anew what a token is for, named by prefix or text",
        params: tokenPath,
        body: updateTokenBody,
        response: answers(tokenAnswer),
      },
    },
    async (request) => {
      const row = await describeAccessToken(db, {
        userEmail: actorOf(request),
        prefixOrText: request.params.token,
        description: request.body.description,
      });
      if (row) return tokenFields(row, request.token);
      throw noSuchToken();
    },
  );

  app.delete(
    "/v1/access_token/:token",
    {
      schema: { summary: "Revoke a token, by prefix or text", params: tokenPath, response: answers(messageAnswer) },
    },
    async (request) => {
      const isRevoked = await revokeAccessToken(db, {
        userEmail: actorOf(request),
        prefixOrText: request.params.token,
      });
      if (isRevoked) return { message: "revoked" };
      throw noSuchToken();
    },
  );

  app.post(
    "/v1/me/expire_tokens",
    { schema: { summary: "Revoke all tokens of whoever asks", response: answers(messageAnswer) } },
    async (request) => {
      await db.deleteFrom("access_token").where("user_email", "=", actorOf(request)).execute();
      return { message: "expired" };
    },
  );
}

function requireMembership({ token }: FastifyRequest, project: string): void {
  if (token && roleIn(token, project) !== undefined) return;
  throw new BtarError("NOT_A_PROJECT_MEMBER", { message: "Not a project member" });
}

function noSuchToken(): BtarError {
  return new BtarError("NOT_FOUND", { message: "There is no such token" });
}

function tokenFields(row: Selectable<AccessTokenTable>, current: Selectable<AccessTokenTable> | undefined) {
  return {
    token_prefix: row.prefix,
    create_time: row.created_at.toISOString(),
    created_manually: row.created_manually,
    currently_active: row.prefix === current?.prefix,
    description: row.description,
    expiry_time: row.expires_at?.toISOString() ?? null,
    extend_when_used: row.extend_when_used,
    max_age_seconds: row.max_age_seconds,
    role: row.role,
    project: row.project,
    last_ip: row.last_ip,
    last_used_time: row.last_used_at?.toISOString() ?? null,
    last_user_agent: row.last_user_agent,
    last_user_agent_human_readable: row.last_user_agent,
    scopes: null,
    ip_allowlist: null,
  };
}
