import { packPosition, parseBinlogFileName } from "../../src/engine/mysql/binlog/binlog-position.ts";
import { type LogAges, measureLogAge, storedEnds } from "../log-age.ts";
import type { MeasuredBtar } from "../measured-btar.ts";
import { waitFor } from "../quiet.ts";
import type { MysqlServer } from "./server.ts";
import { write } from "./writers.ts";

/** Up to where the server has written its binary log, as a number that compares like stored positions. */
export async function writtenPosition(server: MysqlServer): Promise<bigint> {
  const [status] = await server.sql("show binary log status");
  const { file } = parseBinlogFileName(String(status?.["File"]));
  return BigInt(`0x${packPosition({ file, offset: Number(status?.["Position"]) })}`);
}

/** Waits until the primary location has all that the server has written until now. */
export async function waitUntilStored(options: {
  readonly btar: MeasuredBtar;
  readonly service: string;
  readonly server: MysqlServer;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { btar, service, server, signal } = options;
  const written = await writtenPosition(server);
  await waitFor("the binary log is stored", async () => (await storedEnds(btar, service)).primary >= written, {
    signal,
  });
}

/** The age of each location's binary log while four clients write. */
export async function measureBinlogAge(options: {
  readonly btar: MeasuredBtar;
  readonly service: string;
  readonly server: MysqlServer;
  readonly gigabytes: number;
  readonly seconds: number;
  readonly signal: AbortSignal;
}): Promise<LogAges & { readonly transactionsPerSecond: number }> {
  const { server, seconds } = options;
  let transactions = 0;
  const ages = await measureLogAge({
    ...options,
    flushed: () => writtenPosition(server),
    load: async () => {
      transactions = await write(server, options);
    },
  });
  return { ...ages, transactionsPerSecond: Math.round(transactions / seconds) };
}
