import { healthAnswer } from "../../contract/status.ts";
import type { ControlPlaneContext } from "../context.ts";
import { answers } from "../http/answers.ts";
import type { ApiServer } from "../http/api-server.ts";

/** For whoever watches the process itself. */
export function healthRoutes(app: ApiServer, context: ControlPlaneContext): void {
  const response = answers(healthAnswer);
  app.get("/livez", { schema: { summary: "Whether the process answers", response } }, async () => ({
    status: "live" as const,
  }));
  app.get("/readyz", { schema: { summary: "Whether the catalog answers too; 503 if not", response } }, async () => {
    await context.catalog.db.selectFrom("project").select("name").limit(1).execute();
    return { status: "ready" as const };
  });
}
