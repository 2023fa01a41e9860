import { randomBytes } from "node:crypto";
import { describeError, isBtarError } from "../../domain/errors.ts";
import type { ObjectStore } from "../../object-store/object-store.ts";
import { type Finding, findingsOf } from "./finding.ts";

const timeoutMs = 20_000;
const slowMs = 2000;
/** What the store and this machine may differ by: whole seconds are all that S3 tells. */
const skewMs = 5000;
const badSkewMs = 60_000;

/** Every store is written to, read from, and left as it was. */
export async function checkStores(
  stores: ReadonlyMap<string, ObjectStore>,
  { isFresh }: { readonly isFresh: boolean },
) {
  const findings: Finding[] = [];
  const working = new Map<string, ObjectStore>();
  for (const [cloud, store] of stores) {
    const found = await checkStore(cloud, store, isFresh);
    findings.push(...found);
    if (found.some(({ check, severity }) => check === "store" && severity === "ok")) working.set(cloud, store);
  }
  return { findings, working };
}

async function checkStore(cloud: string, store: ObjectStore, isFresh: boolean): Promise<readonly Finding[]> {
  const { warning, error } = findingsOf("store", cloud);
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    await store.open({ create: false, signal });
    return await probe(cloud, store, signal);
  } catch (cause) {
    if (!isBtarError(cause)) throw cause;
    if (isFresh && store.url.startsWith("file:") && cause.code === "STORE_UNREACHABLE") {
      return [warning(`${store.url} is not set up yet`, "start btar, which does so")];
    }
    const isLate = signal.aborted;
    const what = isLate ? `${store.url} does not answer within ${timeoutMs / 1000} s` : describeError(cause);
    const fix = isLate ? "see whether it runs, and whether this machine reaches it" : fixes[cause.code];
    return [error(what, fix ?? "see the runbook: what it says of a store that cannot be used")];
  }
}

const fixes: Readonly<Record<string, string>> = {
  STORE_UNREACHABLE:
    "start btar once if the store is new; else see whether it runs, and whether this machine reaches it",
  STORE_REFUSED: "check the credentials, and that they may list, read, write and delete",
  STORE_FULL: "make room in it, or shorten how long backups are kept",
};

async function probe(cloud: string, store: ObjectStore, signal: AbortSignal): Promise<readonly Finding[]> {
  const { ok, warning, error } = findingsOf("store", cloud);
  // No service's folder has such a name: nothing else looks at it.
  const key = `btar-doctor/probe-${randomBytes(8).toString("hex")}`;
  const body = randomBytes(1024);
  const startedAt = Date.now();
  try {
    await store.put(key, body, { signal });
    const read = await store.get(key, { signal });
    if (!read?.equals(body)) {
      return [
        error("what was written was not read back as it was", "do not trust it with backups before that is mended"),
      ];
    }
    const tookMs = Date.now() - startedAt;
    const skew = skewFinding(cloud, (await store.head(key, { signal }))?.storedAt, startedAt);
    const what = `${store.url}: written, read and deleted, ${tookMs} ms`;
    return [ok(what), ...(tookMs > slowMs ? [warning("that is slow", "see what lies between")] : []), ...skew];
  } finally {
    await store.delete(key, { signal });
  }
}

function skewFinding(cloud: string, storedAt: Date | undefined, startedAt: number): readonly Finding[] {
  const { warning, error } = findingsOf("clock", cloud);
  if (!storedAt) return [];
  const now = Date.now();
  const aheadMs = storedAt.getTime() - now;
  const behindMs = startedAt - storedAt.getTime();
  const skew = Math.max(aheadMs, behindMs);
  if (skew < skewMs) return [];
  const what = `its clock is ${Math.round(skew / 1000)} s ${aheadMs > behindMs ? "ahead of" : "behind"} this machine's`;
  const fix = "set both by NTP: times of backups and their expiry go by them";
  return [skew > badSkewMs ? error(what, fix) : warning(what, fix)];
}
