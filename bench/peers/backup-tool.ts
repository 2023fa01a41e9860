import type { BackupRun } from "../attached-service.ts";
import type { ToolRun } from "../tool-run.ts";

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
