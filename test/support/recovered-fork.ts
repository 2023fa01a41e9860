import type { LostRangeResult } from "../../src/contract/lost-range.ts";
import type { RunningApi } from "./running-api.ts";
import type { SimulatedAgent } from "./simulated-agent.ts";

const hour = 3_600_000;

interface Scene {
  readonly api: RunningApi;
  readonly agent: SimulatedAgent;
}

interface Wanted {
  readonly source: string;
  readonly name: string;
  readonly clouds: { readonly from: string; readonly to: string };
}

/** A fork that runs, and what of its source never reached it. */
export async function addRecoveredFork({ api, agent }: Scene, wanted: Wanted): Promise<void> {
  const { source, name, clouds } = wanted;
  const now = Date.now();
  const { db } = api.catalog;
  await api.avn("POST", "/project/demo/service", {
    service_name: name,
    cloud: clouds.to,
    user_config: { service_to_fork_from: source },
  });
  await agent.runs(name);
  const id = await agent.serviceId(name);
  const { forked_from } = await db
    .selectFrom("service")
    .select("forked_from")
    .where("id", "=", id)
    .executeTakeFirstOrThrow();
  const at = (secondsAgo: number) => new Date(now - 3 * hour - secondsAgo * 1000).toISOString();
  const stream = "7613286638777042800-00000001";
  const place = (lsn: string) => ({ stream, position: lsn.padStart(16, "0") });
  const told = (lsn: string) => ({ ...place(lsn), text: `${lsn.slice(0, -8)}/${lsn.slice(-8)} on timeline 1` });
  const end = { ...forked_from, stoppedAt: "5/8A2F0C18", stoppedIn: place("58A2F0C18"), lastCommitAt: at(95) };
  await db
    .updateTable("service")
    .set({ forked_from: JSON.stringify(end), host: "10.30.0.9", port: 20_600 })
    .where("id", "=", id)
    .execute();
  await addExamination(api, {
    id,
    name,
    source,
    cloud: clouds.from,
    ends: { fork: told("58A2F0C18"), store: told("58B480D90") },
    at,
  });
}

/** Somebody has looked what the fork lacks. */
async function addExamination(
  api: Scene["api"],
  found: {
    readonly id: string;
    readonly name: string;
    readonly source: string;
    readonly cloud: string;
    readonly ends: Readonly<Record<"fork" | "store", LostRangeResult["forkEnd"]>>;
    readonly at: (secondsAgo: number) => string;
  },
): Promise<void> {
  const { id, name, source, cloud, ends, at } = found;
  const now = Date.now();
  const rows = (table: string, inserts: number, updates: number, deletes: number, transactions: number) => ({
    ...{ name: `shop_production.public.${table}`, kind: "table" as const, inserts, updates, deletes, transactions },
  });
  const result: LostRangeResult = {
    ...{ fork: name, source, cloud, state: "present" },
    ...{ transactions: 1274, accountTransactions: 2, otherTransactions: 0, partialTransactions: 0 },
    ...{ transactionsOnServerOnly: 36, transactionsAfterFork: 0, firstCommitAt: at(95), lastCommitAt: at(4) },
    ...{ forkEnd: ends.fork, forkLastCommitAt: at(95), storeEnd: ends.store, storeBytes: 18_400_000 },
    ...{ serverEnd: ends.store, serverBytes: 524_288, server: { state: "read", trouble: null } },
    ...{ leftHistoryAt: null, gaps: [], moreTables: 3, namesTrouble: null, files: 0, directory: null },
    tables: [
      rows("order_lines", 3902, 0, 0, 1101),
      rows("orders", 1101, 96, 2, 1199),
      rows("payments", 1088, 1088, 0, 1088),
      rows("baskets", 75, 410, 1101, 1274),
    ],
  };
  const job = await api.jobs.enqueue({
    ...{ kind: "lost-range", cloud, project: "demo", service: { id, name }, input: { source } },
  });
  await api.catalog.db
    .updateTable("job")
    .set({
      state: "complete",
      started_at: new Date(now - 2 * hour),
      finished_at: new Date(now - 2 * hour + 8000),
      result: JSON.stringify(result),
    })
    .where("id", "=", job)
    .execute();
}
