import { waitFor, waitUntilIdle } from "../quiet.ts";
import type { MysqlServer } from "./server.ts";

/**
 * Waits until nothing is left of what happened before, so that it does not count in what comes next: the server has
 * written its pages, the disk has all, and neither servers nor btar use the processor.
 */
export async function waitUntilQuiet(server: MysqlServer, signal: AbortSignal): Promise<void> {
  const isWritten = async () => {
    const [status] = await server.sql("show global status like 'Innodb_buffer_pool_pages_dirty'");
    return status?.["Value"] === "0";
  };
  await waitFor("the server has written its pages", isWritten, { signal });
  await waitUntilIdle(signal);
}
