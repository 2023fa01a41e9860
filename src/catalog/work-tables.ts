/** Tables of work: jobs, the agents that do them, and who holds what meanwhile. */
import type { AgentFigures } from "../domain/agent-figures.ts";
import type { Count, Flag, Json, JsonOrNull, Moment, MomentOrNull } from "./column-types.ts";

export type JobState = "queued" | "running" | "waiting" | "complete" | "failed" | "cancelled";

export interface JobProgress {
  /** What goes on, in words: `copying packs`. */
  readonly phase: string;
  readonly done?: number | undefined;
  readonly total?: number | undefined;
  readonly unit?: "bytes" | "objects" | "fraction" | undefined;
  /** Position of replay or the like, for people. */
  readonly detail?: string | undefined;
}

/** The same with when its phase began, and how much was done then: the rate of it can be told. */
export interface ShownProgress extends JobProgress {
  /** ISO time; absent in what earlier versions have written. */
  readonly since?: string | undefined;
  readonly doneBefore?: number | undefined;
}

export interface JobTable {
  /** Also the id of the job in the queue. */
  id: string;
  kind: string;
  project: string;
  service_id: string | null;
  service_name: string | null;
  cloud: string;
  state: JobState;
  input: Json<Record<string, unknown>>;
  result: JsonOrNull<Record<string, unknown>>;
  progress: JsonOrNull<ShownProgress>;
  /** Why it waits, or why it failed. */
  trouble: string | null;
  error_code: string | null;
  attempts: Count;
  is_cancel_requested: Flag;
  created_at: Moment;
  started_at: MomentOrNull;
  finished_at: MomentOrNull;
}

/** A living region agent. */
export interface AgentTable {
  id: string;
  cloud: string;
  host: string;
  pid: number;
  version: string;
  /** Major versions it can run managed servers of, by engine. */
  engines: Json<Record<string, readonly string[]>>;
  /** Null: it has not told any yet. */
  figures: JsonOrNull<AgentFigures>;
  started_at: Moment;
  seen_at: Moment;
}

/** What the cloud's own agents last found about its store. */
export interface CloudStateTable {
  cloud: string;
  is_store_up: boolean;
  trouble: string | null;
  /** Since when it is as it is. */
  since: Moment;
  checked_at: Moment;
  /** Identity of the store when it was first used: a store that vanished must not come back empty. */
  is_initialized: Flag;
}

/** Who carries out a continuous duty for a service in a cloud; whoever lets it expire has lost it. */
export interface DutyLeaseTable {
  duty: string;
  service_id: string;
  cloud: string;
  holder: string;
  expires_at: Moment;
}

/**
 * Who writes a service's backups into a store, or removes some: `write` any number at once, `collect` and `remove` one
 * alone. Whoever lets it expire has lost it.
 */
export interface StoreUseTable {
  service_id: string;
  cloud: string;
  holder: string;
  purpose: "write" | "collect" | "remove";
  expires_at: Moment;
}
