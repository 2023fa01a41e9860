import { sql } from "kysely";
import { verifyService } from "../backups/verify-service.ts";
import type { ControlPlaneContext } from "../context.ts";

const hourMs = 3_600_000;

/**
 * Asks for verifications that are due: of structure each time, and of so much data that all of it is read within the
 * configured days, whatever people verify besides. Where something is damaged, another try to heal it is due hourly.
 */
export async function scheduleVerifications(context: ControlPlaneContext): Promise<void> {
  const { intervalHours, readDataDays, bytesPerSecond } = context.configuration.verification;
  const now = context.clock.now();
  const dueBefore = new Date(now.getTime() - intervalHours * hourMs);
  const anHourAgo = new Date(now.getTime() - hourMs);
  const { rows } = await sql<{ id: string; name: string; project: string; cloud: string; read_at: Date }>`
    select id, name, project, cloud, read_at from (
      select service.id, service.name, service.project, location.cloud,
        coalesce(verification.structure_at, location.created_at) as structure_at,
        case when verification.job_id is null then location.created_at
          else coalesce(reading.finished_at, verification.structure_at, location.created_at) end as read_at
      from location join service on service.id = location.service_id
        left join verification on verification.service_id = service.id and verification.cloud = location.cloud
        left join job reading on reading.id = verification.job_id
      where service.deleted_at is null) place
    where (structure_at < ${dueBefore} or read_at < ${dueBefore}
        or (structure_at < ${anHourAgo} and exists (select from damaged_object
          where service_id = place.id and cloud = place.cloud and kind != 'stray')))
      and exists (select from backup_location
        where service_id = place.id and cloud = place.cloud and state = 'complete')
      and not exists (select from job where service_id = place.id and cloud = place.cloud
        and kind = 'verify' and (state in ('queued', 'running', 'waiting')
          -- one that failed is not begun again at once
          or finished_at > ${anHourAgo}))`.execute(context.catalog.db);
  for (const { cloud, read_at, ...service } of rows) {
    const hours = Math.max(0, (now.getTime() - read_at.getTime()) / hourMs);
    const readDataPercent = Math.min(100, (100 * hours) / (24 * readDataDays));
    await verifyService(context, service, { cloud, readDataPercent, bytesPerSecond });
  }
}
