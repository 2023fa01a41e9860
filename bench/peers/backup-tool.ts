/** What one run of a tool took. */
export interface ToolRun {
  readonly seconds: number;
  /** CPU seconds of the tool's processes. */
  readonly toolCpuSeconds: number;
  /** CPU seconds of the database server and what it started meanwhile. */
  readonly serverCpuSeconds: number;
}

export interface BackupRun extends ToolRun {
  /** Bytes that it added to the repository, without log. */
  readonly storedBytes: number;
  /** Names it, for a restore. */
  readonly name: string;
  /** Bytes sent to the second region, for a tool that has one. */
  readonly crossedBytes?: number;
}

/** One of the tools that are compared; both back up the same cluster. */
export interface BackupTool {
  readonly name: "btar" | "pgBackRest";
  /** A backup that builds on nothing. */
  full(): Promise<BackupRun>;
  /** A backup that builds on the newest one. */
  next(): Promise<BackupRun>;
  /** Restores a backup's files, and log to its end, into a directory that does not exist; ready to start. */
  restore(backup: string, directory: string): Promise<ToolRun>;
}
