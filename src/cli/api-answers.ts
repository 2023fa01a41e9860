/** The API's answers, by the contract's own schemas. */
import type { Static } from "typebox";
import type { forkPlanAnswer } from "../contract/recovery.ts";
import type { serviceTypesWithPlansAnswer, versionsAnswer } from "../contract/service-types.ts";
import type { databasesAnswer, userAnswer } from "../contract/service-accounts.ts";
import type { newTokenAnswer, tokenAnswer, tokensAnswer } from "../contract/access-tokens.ts";
import type { attachAnswer, preflightAnswer } from "../contract/attached-services.ts";
import type {
  backup,
  backupAnswer,
  backupsAnswer,
  deleteBackupAnswer,
  newBackupAnswer,
  reportAnswer,
  verifyAnswer,
} from "../contract/backups.ts";
import type { auditAnswer } from "../contract/audit.ts";
import type { cloudsAnswer } from "../contract/clouds.ts";
import type { estimateAnswer } from "../contract/estimate.ts";
import type { cancelAnswer, job, jobAnswer, jobsAnswer } from "../contract/jobs.ts";
import type { lostRangeAnswer } from "../contract/lost-range.ts";
import type { membersAnswer } from "../contract/members.ts";
import type {
  deliveriesAnswer,
  deliveryAnswer,
  destinationAnswer,
  destinationsAnswer,
} from "../contract/notifications.ts";
import type { loginAnswer, meAnswer, newPersonAnswer, peopleAnswer, personAnswer } from "../contract/people.ts";
import type { deletedServicesAnswer } from "../contract/deleted-services.ts";
import type { authorityAnswer, eventsAnswer, projectAnswer, projectsAnswer } from "../contract/projects.ts";
import type { rebuildAnswer } from "../contract/rebuild.ts";
import type { logsAnswer, metricsAnswer, taskAnswer } from "../contract/server-reports.ts";
import type { service, serviceAnswer, servicesAnswer, tagsAnswer } from "../contract/services.ts";
import type { protectionAnswer, statusAnswer } from "../contract/status.ts";

export type Service = Static<typeof service>;
export type ServiceAnswer = Static<typeof serviceAnswer>;
export type ServicesAnswer = Static<typeof servicesAnswer>;
export type DeletedServicesAnswer = Static<typeof deletedServicesAnswer>;
export type PreflightAnswer = Static<typeof preflightAnswer>;
export type AttachAnswer = Static<typeof attachAnswer>;

export type Backup = Static<typeof backup>;
export type BackupAnswer = Static<typeof backupAnswer>;
export type BackupsAnswer = Static<typeof backupsAnswer>;
export type DeleteBackupAnswer = Static<typeof deleteBackupAnswer>;
export type VerifyAnswer = Static<typeof verifyAnswer>;
export type NewBackupAnswer = Static<typeof newBackupAnswer>;

export type Job = Static<typeof job>;
export type JobAnswer = Static<typeof jobAnswer>;
export type JobsAnswer = Static<typeof jobsAnswer>;
export type CancelAnswer = Static<typeof cancelAnswer>;
export type LostRangeAnswer = Static<typeof lostRangeAnswer>;
export type LostRange = LostRangeAnswer["lost_range"];
export type RebuildAnswer = Static<typeof rebuildAnswer>;

export type EstimateAnswer = Static<typeof estimateAnswer>;

export type Protection = Static<typeof protectionAnswer>;
export type StatusAnswer = Static<typeof statusAnswer>;
export type CloudsAnswer = Static<typeof cloudsAnswer>;
export type EventsAnswer = Static<typeof eventsAnswer>;

export type LoginAnswer = Static<typeof loginAnswer>;
export type PeopleAnswer = Static<typeof peopleAnswer>;
export type PersonAnswer = Static<typeof personAnswer>;
export type NewPersonAnswer = Static<typeof newPersonAnswer>;
export type TokensAnswer = Static<typeof tokensAnswer>;
export type NewTokenAnswer = Static<typeof newTokenAnswer>;
export type AuditAnswer = Static<typeof auditAnswer>;
export type DestinationsAnswer = Static<typeof destinationsAnswer>;
export type DestinationAnswer = Static<typeof destinationAnswer>;
export type DeliveriesAnswer = Static<typeof deliveriesAnswer>;
export type DeliveryAnswer = Static<typeof deliveryAnswer>;
export type MembersAnswer = Static<typeof membersAnswer>;
export type ProjectAnswer = Static<typeof projectAnswer>;
export type ProjectsAnswer = Static<typeof projectsAnswer>;
export type LogsAnswer = Static<typeof logsAnswer>;
export type MetricsAnswer = Static<typeof metricsAnswer>;

export type DatabasesAnswer = Static<typeof databasesAnswer>;
export type ServiceUserAnswer = Static<typeof userAnswer>;
export type ServiceTypesAnswer = Static<typeof serviceTypesWithPlansAnswer>;
export type VersionsAnswer = Static<typeof versionsAnswer>;
export type TaskAnswer = Static<typeof taskAnswer>;
export type TagsAnswer = Static<typeof tagsAnswer>;
export type MeAnswer = Static<typeof meAnswer>;
export type ReportAnswer = Static<typeof reportAnswer>;
export type TokenAnswer = Static<typeof tokenAnswer>;
export type AuthorityAnswer = Static<typeof authorityAnswer>;
export type ForkPlanAnswer = Static<typeof forkPlanAnswer>;
