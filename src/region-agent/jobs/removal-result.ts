import type { RemovalCounts } from "../../repository/object-removal.ts";

/** What a job's result tells of a removal. */
export function removalResult({ removedObjects, removedBytes, refusedObjects, refusal }: RemovalCounts) {
  return {
    removedObjects,
    removedBytes,
    ...(refusedObjects === 0 ? {} : { refusedObjects, refusal: refusal ?? null }),
  };
}
