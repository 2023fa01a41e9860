import { revokeAccessToken } from "../../catalog/access-tokens.ts";
import { messageAnswer } from "../../contract/schema-parts.ts";
import { newSessionBody, sessionAnswer } from "../../contract/sessions.ts";
import type { ControlPlaneContext } from "../context.ts";
import { answers } from "../http/answers.ts";
import type { ApiServer } from "../http/api-server.ts";
import { actorOf } from "../http/authentication.ts";
import { logIn } from "./log-in.ts";
import type { LoginLimits } from "./login-limits.ts";
import { endedSessionCookie, sessionCookie } from "./session-cookie.ts";

/** Sessions of the console: a login's token that the browser keeps in a cookie. */
export function sessionRoutes(app: ApiServer, context: ControlPlaneContext, limits: LoginLimits): void {
  app.post(
    "/v1/btar/session",
    {
      schema: {
        summary: "Log in with a password: a cookie for 12 hours",
        body: newSessionBody,
        response: answers(sessionAnswer),
      },
    },
    async (request, reply) => {
      const { token, email, expiresAt } = await logIn(context, limits, { body: request.body, address: request.ip });
      request.loggedIn = { email };
      reply.header("set-cookie", sessionCookie(request, token, expiresAt));
      return { user_email: email, expiry_time: expiresAt.toISOString() };
    },
  );

  app.delete(
    "/v1/btar/session",
    { schema: { summary: "Log out: the token that the request came with ends", response: answers(messageAnswer) } },
    async (request, reply) => {
      const prefix = request.token?.prefix ?? "";
      await revokeAccessToken(context.catalog.db, { userEmail: actorOf(request), prefixOrText: prefix });
      reply.header("set-cookie", endedSessionCookie(request));
      return { message: "logged out" };
    },
  );
}
