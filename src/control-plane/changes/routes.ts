import { type PersonalToken, reloadAccessToken } from "../../catalog/access-tokens.ts";
import { change } from "../../contract/changes.ts";
import { projectPath } from "../../contract/paths.ts";
import { refusal } from "../../contract/refusals.ts";
import { BtarError, describeError } from "../../domain/errors.ts";
import type { ControlPlaneContext } from "../context.ts";
import type { ApiServer } from "../http/api-server.ts";
import { roleIn } from "../http/authorization.ts";
import { findProject } from "../projects/find-project.ts";
import { ProjectChanges } from "./project-changes.ts";

const maxStreams = 200;
const maxStreamsOfOne = 20;
/** Proxies hang up on what is silent for a minute. */
const signOfLifeMs = 15_000;
/** A listener that does not read is hung up on, not waited for. */
const maxUnsentBytes = 256 * 1024;

/** What changes in a project, as it changes: server-sent events. */
export function changeRoutes(app: ApiServer, context: ControlPlaneContext): void {
  const projects = new Map<string, ProjectChanges>();
  const open = new Map<() => void, string>();
  app.addHook("preClose", async () => {
    for (const end of [...open.keys()]) end();
  });

  app.get(
    "/v1/project/:project/btar/changes",
    {
      schema: {
        summary: "What changes, as server-sent events `changed`, until the client hangs up, or its token or role ends",
        params: projectPath,
        response: {
          200: { description: "Messages", content: { "text/event-stream": { schema: change } } },
          default: refusal,
        },
      },
    },
    async (request, reply) => {
      const { name } = await findProject(context, request.params.project);
      const { token } = request;
      if (!token) throw new BtarError("INTERNAL", { message: "changes were asked for without a token" });
      const { prefix } = token;
      refuseTooMany([...open.values()], prefix);
      const changes = projects.get(name) ?? new ProjectChanges(context, name);
      projects.set(name, changes);
      reply.hijack();
      const { raw } = reply;
      const sent = Object.entries(reply.getHeaders()).flatMap(([key, value]) =>
        value === undefined ? [] : [[key, value]],
      );
      raw.writeHead(200, {
        ...(Object.fromEntries(sent) as Record<string, string>),
        "content-type": "text/event-stream",
        "cache-control": "no-store",
        "x-accel-buffering": "no",
      });
      const send = (text: string) => {
        if (raw.writableLength > maxUnsentBytes) end();
        else raw.write(text);
      };
      const silence = changes.listen((change) => send(`event: changed\ndata: ${JSON.stringify(change)}\n\n`));
      const timer = setInterval(() => {
        send(": alive\n\n");
        void mayListen(context, token, name).then((may) => (may ? undefined : end()));
      }, signOfLifeMs);
      const end = () => {
        clearInterval(timer);
        silence();
        open.delete(end);
        raw.end();
      };
      open.set(end, prefix);
      raw.on("close", end);
      send("retry: 2000\n: listening\n\n");
    },
  );
}

function refuseTooMany(open: readonly string[], prefix: string): void {
  const mine = open.filter((each) => each === prefix).length;
  if (open.length < maxStreams && mine < maxStreamsOfOne) return;
  throw new BtarError("TOO_MANY_ATTEMPTS", {
    message: `Too many streams of changes are open: ${mine} of this token, ${open.length} in all`,
    hint: `at most ${maxStreamsOfOne} and ${maxStreams}; close some, or ask again from time to time instead`,
  });
}

/** Whether the token is valid still, and its person a member. While the catalog does not answer, nobody can tell. */
async function mayListen(
  { catalog, clock, logger }: ControlPlaneContext,
  token: PersonalToken,
  project: string,
): Promise<boolean> {
  try {
    const now = await reloadAccessToken(catalog.db, token);
    if (!now || roleIn(now, project) === undefined) return false;
    return now.expires_at === null || now.expires_at > clock.now();
  } catch (error) {
    logger.warn({ reason: describeError(error) }, "the token of a stream cannot be looked at now");
    return true;
  }
}
