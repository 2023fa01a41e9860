import { Check } from "typebox/value";
import { type LostRangeResult, lostRangeResult } from "../../contract/lost-range.ts";
import { formatMicros } from "../../domain/recovery-target-time.ts";
import type { LogReadingDriver } from "../../engine/log-reading.ts";
import type { ControlPlaneContext } from "../context.ts";
import type { ServiceRow } from "../services/find-service.ts";
import { cloudStates } from "../status/cloud-states.ts";
import { forkSource } from "./fork-source.ts";

/** The result of a job that has looked. */
interface Examination {
  readonly id: string;
  readonly at: Date;
  readonly found: LostRangeResult;
}

/** What is known to be in the source's primary store. */
interface StoredEnd {
  readonly stream: string;
  readonly position: string;
  readonly newestCommitMicros: bigint | undefined;
}

type State = "unreachable" | "gone" | "unknown" | "none" | "present";

/** @throws {BtarError} as `forkSource` */
export async function lostRangeFields(context: ControlPlaneContext, row: ServiceRow) {
  const { origin, stop, source, hasPrimary } = await forkSource(context, row);
  const driver = context.engines.of(row.engine).logReading;
  const examination = await lastExamination(context, row.id);
  const stored = source && (await storedEnd(context, source));
  const trouble = source && (await cloudTrouble(context, source.cloud));
  const state = stateOf({ isKnown: source !== undefined, hasPrimary, isDown: trouble !== undefined, examination });
  const found = examination?.found;
  const place = (at: { readonly stream: string; readonly position: string }) => toldPlace(driver, at);
  return {
    service_name: row.name,
    source_project: origin.project,
    source_service_name: origin.serviceName,
    source_cloud_name: source?.cloud ?? null,
    source_deleted: !source || source.deleted_at !== null,
    state,
    explanation: explanation({
      state,
      fork: row.name,
      origin: origin.serviceName,
      cloud: source?.cloud,
      trouble,
      stored,
    }),
    fork_end: place(stop),
    fork_last_commit_time: origin.lastCommitAt ?? null,
    store_end: stored ? place(stored) : null,
    store_newest_commit_time: commitTime(stored),
    examined_at: examination?.at.toISOString() ?? null,
    examination_job_id: examination?.id ?? null,
    stored_since: found !== undefined && stored !== undefined && isBehind(found, stored),
    transactions: found?.transactions ?? null,
    transactions_on_server_only: found?.transactionsOnServerOnly ?? null,
    transactions_after_fork: found?.transactionsAfterFork ?? null,
    partial_transactions: found?.partialTransactions ?? null,
    account_transactions: found?.accountTransactions ?? null,
    other_transactions: found?.otherTransactions ?? null,
    first_commit_time: found?.firstCommitAt ?? null,
    last_commit_time: found?.lastCommitAt ?? null,
    store_bytes: found?.storeBytes ?? null,
    server_end: found?.serverEnd ?? null,
    server_bytes: found?.serverBytes ?? null,
    server_trouble: found?.server.trouble ?? null,
    left_history_at: found?.leftHistoryAt ?? null,
    gaps: found?.gaps ?? [],
    tables: found?.tables ?? [],
    more_tables: found ? found.moreTables : null,
    names_trouble: found?.namesTrouble ?? null,
    directory: found?.directory ?? null,
  };
}

function stateOf(known: {
  readonly isKnown: boolean;
  readonly hasPrimary: boolean;
  readonly isDown: boolean;
  readonly examination: Examination | undefined;
}): State {
  if (known.isKnown && known.isDown) return "unreachable";
  if (!known.hasPrimary) return "gone";
  return known.examination?.found.state ?? "unknown";
}

function explanation(known: {
  readonly state: State;
  readonly fork: string;
  readonly origin: string;
  readonly cloud: string | undefined;
  readonly trouble: string | undefined;
  readonly stored: StoredEnd | undefined;
}): string {
  const { state, fork, origin, cloud, trouble, stored } = known;
  const newest = commitTime(stored);
  const until = newest === null ? "" : `; commits until ${newest} are known to be stored there`;
  switch (state) {
    case "gone":
      return `there is no primary backup of ${origin} any more: what ${fork} lacks of it cannot be told`;
    case "unreachable":
      return `${cloud} does not answer (${trouble}): what ${fork} lacks of ${origin} is found out when it is back${until}`;
    case "unknown":
      return `nobody has looked yet: \`btar fork lost-range ${fork}\` does${until}`;
    case "none":
      return `nothing was lost: ${fork} holds all that ${origin} had committed when it was looked last`;
    case "present":
      return `${fork} lacks what ${origin} has committed: \`btar fork lost-range ${fork} --extract DIR\` extracts it`;
  }
}

async function lastExamination(context: ControlPlaneContext, forkId: string): Promise<Examination | undefined> {
  const job = await context.catalog.db
    .selectFrom("job")
    .select(["id", "finished_at", "result"])
    .where("service_id", "=", forkId)
    .where("kind", "=", "lost-range")
    .where("state", "=", "complete")
    .orderBy("finished_at", "desc")
    .limit(1)
    .executeTakeFirst();
  const found: unknown = job?.result;
  // What another version of the agent has found may be told in another way.
  if (!job?.finished_at || !Check(lostRangeResult, found)) return undefined;
  return { id: job.id, at: job.finished_at, found };
}

async function storedEnd(context: ControlPlaneContext, source: ServiceRow): Promise<StoredEnd | undefined> {
  const range = await context.catalog.db
    .selectFrom("log_range")
    .select(["stream", "end_position", "newest_commit_micros"])
    .where("service_id", "=", source.id)
    .where("cloud", "=", source.cloud)
    .orderBy("stored_at", "desc")
    .orderBy("end_position", "desc")
    .limit(1)
    .executeTakeFirst();
  if (!range) return undefined;
  const { stream, end_position: position, newest_commit_micros: micros } = range;
  return { stream, position, newestCommitMicros: micros === null ? undefined : BigInt(micros) };
}

async function cloudTrouble(context: ControlPlaneContext, cloud: string): Promise<string | undefined> {
  const state = (await cloudStates(context)).find(({ cloud_name }) => cloud_name === cloud);
  if (!state) return "it is not in the configuration";
  return state.is_up ? undefined : (state.trouble ?? "it is down");
}

/** Whether the store has more by now than when it was looked. */
function isBehind(found: LostRangeResult, stored: StoredEnd): boolean {
  const seen = found.serverEnd ?? found.storeEnd ?? found.forkEnd;
  return seen.stream !== stored.stream || seen.position < stored.position;
}

function commitTime(stored: StoredEnd | undefined): string | null {
  return stored?.newestCommitMicros === undefined ? null : formatMicros(stored.newestCommitMicros);
}

function toldPlace(driver: LogReadingDriver, at: { readonly stream: string; readonly position: string }) {
  const { stream, position } = at;
  return { stream, position, text: driver.formatPosition(position) };
}
