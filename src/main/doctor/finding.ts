import { describeError } from "../../domain/errors.ts";

/** From best to worst. */
export const severities = ["ok", "warning", "error"] as const;
export type Severity = (typeof severities)[number];

/** What one check has found. */
export interface Finding {
  /** Stable word: `node`, `configuration`, `key`, `store`, … */
  readonly check: string;
  /** Which one of them: a cloud, a service; empty when there is one only. */
  readonly about: string;
  readonly severity: Severity;
  /** What is, with values. */
  readonly what: string;
  /** What mends it; empty when all is well. */
  readonly fix: string;
}

/** Findings of one check. */
export function findingsOf(check: string, about = "") {
  return {
    ok: (what: string): Finding => ({ check, about, severity: "ok", what, fix: "" }),
    warning: (what: string, fix: string): Finding => ({ check, about, severity: "warning", what, fix }),
    error: (what: string, fix: string): Finding => ({ check, about, severity: "error", what, fix }),
  };
}

/** A check that itself fails is a finding, and keeps no other check from being made. */
export async function attempt(
  check: string,
  about: string,
  work: () => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  try {
    return await work();
  } catch (error) {
    return [findingsOf(check, about).error(describeError(error), "see what it says, and say `btar doctor` again")];
  }
}

export function worstOf(findings: readonly Finding[]): Severity {
  return severities.findLast((severity) => findings.some((each) => each.severity === severity)) ?? "ok";
}
