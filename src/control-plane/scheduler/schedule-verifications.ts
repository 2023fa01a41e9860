import { sql } from "kysely";
import { verifyService } from "../backups/verify-service.ts";
import type { ControlPlaneContext } from "../context.ts";

const hourMs = 3_600_000;

/**
 * Asks for verifications that are due: of structure each time, and of so much data that all of it is read within the
 * configured days.
 */
export async function scheduleVerifications(context: ControlPlaneContext): Promise<void> {
  const { intervalHours, readDataDays, bytesPerSecond } = context.configuration.verification;
  const dueBefore = new Date(context.clock.now().getTime() - intervalHours * hourMs);
  const { rows } = await sql<{ id: string; name: string; project: string; cloud: string }>`
    select service.id, service.name, service.project, location.cloud
    from location join service on service.id = location.service_id
      left join verification on verification.service_id = service.id and verification.cloud = location.cloud
    where service.deleted_at is null
      and coalesce(verification.structure_at, location.created_at) < ${dueBefore}
      and exists (select from backup_location l where l.service_id = service.id and l.cloud = location.cloud
        and l.state = 'complete')
      and not exists (select from job where job.service_id = service.id and job.cloud = location.cloud
        and job.kind = 'verify' and (job.state in ('queued', 'running', 'waiting')
          -- one that failed is not begun again at once
          or job.finished_at > ${new Date(context.clock.now().getTime() - hourMs)}))`.execute(context.catalog.db);
  const readDataPercent = Math.min(100, (100 * intervalHours) / (24 * readDataDays));
  for (const { cloud, ...service } of rows)
    await verifyService(context, service, { cloud, readDataPercent, bytesPerSecond });
}
