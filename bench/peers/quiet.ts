import { waitFor, waitUntilIdle } from "../quiet.ts";
import type { Cluster } from "./cluster.ts";

/**
 * Waits until nothing is left of what happened before, so that it does not count in what comes next: the server has
 * written its pages, its log is archived, the disk has all, and neither server nor btar uses the processor.
 */
export async function waitUntilQuiet(cluster: Cluster, signal: AbortSignal): Promise<void> {
  await cluster.sql("checkpoint");
  await waitFor("the server's WAL is archived", () => cluster.hasArchivedAll(), { signal });
  await waitUntilIdle(signal);
}
