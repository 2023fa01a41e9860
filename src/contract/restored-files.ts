/** Files that a restore leaves in the directory of a MySQL server, for whoever starts it. */
export const mysqlGuide = {
  /** Options to run the server with, for once: it replays the log, and ends. */
  options: "btar-restore.cnf",
  /** Statements that replay the log; the options name them. */
  statements: "btar-replay.sql",
} as const;
