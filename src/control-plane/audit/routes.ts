import type { Static } from "typebox";
import { type AuditEntry, type AuditFilter, type AuditPage, readAudit } from "../../catalog/audit.ts";
import { auditAnswer, auditQuery } from "../../contract/audit.ts";
import { projectPath } from "../../contract/paths.ts";
import { BtarError } from "../../domain/errors.ts";
import type { ControlPlaneContext } from "../context.ts";
import { answers } from "../http/answers.ts";
import type { ApiServer } from "../http/api-server.ts";
import { findProject } from "../projects/find-project.ts";

const usualCount = 100;
const maxCount = 1000;

/** Who did what: of a project, and of everything. */
export function auditRoutes(app: ApiServer, context: ControlPlaneContext): void {
  const response = answers(auditAnswer);
  app.get(
    "/v1/project/:project/btar/audit",
    { schema: { summary: "Who did what in a project", params: projectPath, querystring: auditQuery, response } },
    async (request) => {
      const { name } = await findProject(context, request.params.project);
      return await told(context, request.query, name);
    },
  );
  app.get(
    "/v1/btar/audit",
    { schema: { summary: "Who did what, in all projects and beyond", querystring: auditQuery, response } },
    async (request) => await told(context, request.query, undefined),
  );
}

async function told(context: ControlPlaneContext, query: Static<typeof auditQuery>, project: string | undefined) {
  const page = pageOf(query);
  const filter: AuditFilter = {
    project,
    service: query.service,
    actor: query.actor?.toLowerCase(),
    since: momentOf("since", query.since),
    until: momentOf("until", query.until),
    isFailedOnly: query.failed === "true",
  };
  const entries = await readAudit(context.catalog.db, filter, page);
  return {
    entries: entries.map(entryFields),
    next: entries.length < page.limit ? null : (entries.at(-1)?.id ?? null),
  };
}

function pageOf({ limit, before, after }: Static<typeof auditQuery>): AuditPage {
  const count = { limit: Math.min(numberOf("limit", limit, 1) ?? usualCount, maxCount) };
  const from = numberOf("after", after, 0);
  if (from === undefined) return { before: numberOf("before", before, 0), ...count };
  if (before === undefined) return { after: from, ...count };
  throw new BtarError("INVALID_INPUT", { message: "Invalid input: before and after exclude each other" });
}

function numberOf(name: string, text: string | undefined, least: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d{1,15}$/.test(text) && value >= least) return value;
  throw new BtarError("INVALID_INPUT", {
    message: `Invalid input: ${name} is '${text}'`,
    hint: `give a whole number, at least ${least}`,
  });
}

function momentOf(name: string, text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const at = new Date(text);
  if (/^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(at.getTime())) return at;
  throw new BtarError("INVALID_TIME", {
    message: `Invalid input: ${name} is '${text}'`,
    hint: "give a time such as 2026-03-01T10:00:00Z",
  });
}

function entryFields({ at, status, ...entry }: AuditEntry) {
  return { ...entry, time: at.toISOString(), status, outcome: outcomeOf(status) };
}

function outcomeOf(status: number | null): Static<typeof auditAnswer>["entries"][number]["outcome"] {
  if (status === null) return "unknown";
  if (status < 400) return "done";
  return status < 500 ? "refused" : "failed";
}
