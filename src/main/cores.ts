import { availableParallelism } from "node:os";

const most = 16;

/** Cores that compression may use. More threads than this gain nothing: one PostgreSQL process sends the files. */
export function usableCores(): number {
  return Math.min(most, availableParallelism());
}
