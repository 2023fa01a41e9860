const stateTexts: Readonly<Record<string, string>> = {
  REBUILDING: "being built",
  REBALANCING: "being changed",
  RUNNING: "running",
  POWEROFF: "powered off",
};

/** State of a service, for people. */
export function stateText(state: string): string {
  return stateTexts[state] ?? state.toLowerCase();
}

const jobTitles: Readonly<Record<string, string>> = {
  provision: "Build the service",
  apply: "Apply changes",
  remove: "Remove",
  backup: "Base backup",
  copy: "Copy",
  fork: "Fork",
  restore: "Restore files",
  collect: "Remove what is not needed",
  verify: "Verify",
  rebuild: "Rebuild from the store",
  "lost-range": "Look for what a fork lacks",
};

/** Kind of a job, for people. */
export function jobTitle(kind: string): string {
  return jobTitles[kind] ?? kind;
}
