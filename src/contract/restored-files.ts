/** Files that a restore leaves in the directory of a MySQL server, for whoever starts it. */
export const mysqlGuide = {
  /** Options to start the server with. */
  options: "btar-restore.cnf",
  /** Statements that replay the log. */
  statements: "btar-replay.sql",
} as const;
