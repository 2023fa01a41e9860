import Type, { type Static } from "typebox";
import { job } from "./jobs.ts";
import { bytes, closed, nullable, nullableMoment, nullableText } from "./schema-parts.ts";

const counted = (description: string) => Type.Integer({ description });

const place = Type.Object({
  stream: Type.String({ description: "History that the log belongs to" }),
  position: Type.String({ description: "Sorts as the log does" }),
  text: Type.String({ description: "Position as the engine's own tools tell it" }),
});

const gap = Type.Object({
  stream: Type.String({ description: "History that the log belongs to" }),
  start: Type.String({ description: "Where it begins" }),
  end: Type.String({ description: "Where log goes on" }),
  what: Type.String({ description: "What is missing, and why" }),
  objects: Type.Array(Type.String(), { description: "Stored objects that would have it: they are damaged or missing" }),
});

const table = Type.Object({
  name: Type.String({ description: "With schema, and database; or numbers, see names_trouble" }),
  kind: Type.Enum(["table", "catalog", "part"], {
    description: "`catalog`: the server's own; `part`: of the table that is named, such as PostgreSQL's TOAST",
  }),
  inserts: counted("Rows inserted"),
  updates: counted("Rows updated"),
  deletes: counted("Rows deleted"),
  transactions: counted("Transactions that changed it"),
});

/** What a job of kind `lost-range` has found. */
export const lostRangeResult = Type.Object({
  fork: Type.String(),
  source: Type.String(),
  cloud: Type.String(),
  state: Type.Enum(["none", "present"]),
  transactions: Type.Integer(),
  accountTransactions: Type.Integer(),
  otherTransactions: Type.Integer(),
  partialTransactions: Type.Integer(),
  transactionsOnServerOnly: Type.Integer(),
  transactionsAfterFork: Type.Integer(),
  firstCommitAt: nullable(Type.String()),
  lastCommitAt: nullable(Type.String()),
  forkEnd: place,
  forkLastCommitAt: nullable(Type.String()),
  storeEnd: nullable(place),
  storeBytes: Type.Integer(),
  serverEnd: nullable(place),
  serverBytes: Type.Integer(),
  server: Type.Object({
    state: Type.Enum(["read", "not-asked", "unreadable"]),
    trouble: nullable(Type.String()),
  }),
  leftHistoryAt: nullable(place),
  gaps: Type.Array(gap),
  tables: Type.Array(table),
  moreTables: nullable(Type.Integer()),
  namesTrouble: nullable(Type.String()),
  files: Type.Integer(),
  directory: nullable(Type.String()),
});
export type LostRangeResult = Static<typeof lostRangeResult>;

export const lostRangeAnswer = Type.Object({
  lost_range: Type.Object({
    service_name: Type.String({ description: "The fork" }),
    source_project: Type.String({ description: "Project of what it was forked from" }),
    source_service_name: Type.String({ description: "What it was forked from" }),
    source_cloud_name: nullableText("Cloud of the source's primary backup; null: it is gone"),
    source_deleted: Type.Boolean({ description: "The source was deleted" }),
    state: Type.Enum(["unreachable", "gone", "unknown", "none", "present"], {
      description:
        "`unreachable`: the source's cloud does not answer; `gone`: there is no primary backup of it any more; `unknown`: nobody " +
        "has looked yet; `none`: the fork holds all that was committed; `present`: it lacks transactions, or log is missing",
    }),
    explanation: Type.String({ description: "The same for people" }),
    fork_end: place,
    fork_last_commit_time: nullableMoment("Commit of the last transaction that the fork holds"),
    store_end: nullable(place),
    store_newest_commit_time: nullableMoment("Newest commit that is known to be in the source's primary store"),
    examined_at: nullableMoment("When it was looked last; what follows was found then, and is null before"),
    examination_job_id: nullableText("The job that looked"),
    stored_since: Type.Boolean({ description: "More log was stored since then" }),
    transactions: nullable(counted("Transactions of the source that the fork does not hold")),
    transactions_on_server_only: nullable(counted("Of these, those that are not in the store")),
    transactions_after_fork: nullable(counted("Of these, those that were committed after the fork was made")),
    partial_transactions: nullable(counted("Of these, those of which some changes could not be counted")),
    account_transactions: nullable(
      counted(
        "Transactions beside these that changed users, roles and rights alone, as btar does when it applies settings",
      ),
    ),
    other_transactions: nullable(counted("Transactions beside these that changed nothing that people have made")),
    first_commit_time: nullableMoment("Of the first of them"),
    last_commit_time: nullableMoment("Of the last of them"),
    store_bytes: nullable(bytes("Log behind the fork's end in the store")),
    server_end: nullable(place),
    server_bytes: nullable(bytes("Log that only the source's server holds")),
    server_trouble: nullableText("Why the source's server could not be asked; null: it could"),
    left_history_at: nullable(place),
    gaps: Type.Array(gap, { description: "Log that is missing: what was committed there is not known" }),
    tables: Type.Array(table, { description: "What was changed, most first; 50 at most" }),
    more_tables: nullable(counted("How many more there are; null: not known")),
    names_trouble: nullableText("Why some tables are told by number; null: none are"),
    directory: nullableText("Where it was extracted to then, on the host of the agent of the source's cloud"),
  }),
});

export const extractLostRangeBody = nullable(
  Type.Object(
    {
      directory: Type.Optional(
        nullable(
          Type.String({
            description:
              "Absolute path on the host of the agent of the source's cloud, empty or absent, that log and summary are " +
              "written to; without it they are only looked at",
            pattern: "^/",
            maxLength: 4096,
          }),
        ),
      ),
    },
    closed,
  ),
);

export const extractLostRangeAnswer = Type.Object({ job });
