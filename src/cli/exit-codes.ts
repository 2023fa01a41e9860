import type { BtarError, ErrorKind } from "../domain/errors.ts";

/** What the exit code of a command says; the one place where it is decided. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  wrongUsage: 2,
  notFound: 3,
  conflict: 4,
  unavailable: 5,
  damaged: 6,
  /** Of `btar doctor`: nothing is wrong, but something will be. */
  warned: 7,
  interrupted: 130,
} as const;

const byKind: Readonly<Record<ErrorKind, number>> = {
  invalid: exitCodes.failed,
  unauthenticated: exitCodes.failed,
  forbidden: exitCodes.failed,
  not_found: exitCodes.notFound,
  limited: exitCodes.unavailable,
  conflict: exitCodes.conflict,
  unavailable: exitCodes.unavailable,
  damaged: exitCodes.damaged,
  cancelled: exitCodes.failed,
  internal: exitCodes.failed,
};

export function exitCodeOf(error: BtarError): number {
  return byKind[error.kind];
}

export const exitCodeHelp = `
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 conflict with the present state,
5 something does not answer, 6 stored data is damaged, 7 warnings only, 130 interrupted.`;
