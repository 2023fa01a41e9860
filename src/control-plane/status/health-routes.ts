import { healthAnswer } from "../../contract/status.ts";
import type { ControlPlaneContext } from "../context.ts";
import { answers, publicAccess, publicRoute } from "../http/answers.ts";
import type { ApiServer } from "../http/api-server.ts";

/** For whoever watches the process itself. */
export function healthRoutes(app: ApiServer, context: ControlPlaneContext): void {
  const response = answers(healthAnswer);
  app.get(
    "/livez",
    { ...publicRoute, schema: { ...publicAccess, summary: "Whether the process answers", response } },
    async () => ({ status: "live" as const }),
  );
  app.get(
    "/readyz",
    { ...publicRoute, schema: { ...publicAccess, summary: "Whether the catalog answers too; 503 if not", response } },
    async () => {
      await context.catalog.db.selectFrom("project").select("name").limit(1).execute();
      return { status: "ready" as const };
    },
  );
}
