import { performance } from "node:perf_hooks";
import { recordEvent } from "../../catalog/events.ts";
import type { RunningJob } from "../../catalog/job-queue.ts";
import {
  clearDamage,
  damagedObjects,
  recordDamage,
  recordVerification,
  recordVerifiedUntil,
  type VerifiedPlace,
  verifications,
} from "../../catalog/verification.ts";
import { netBytes } from "../../catalog/store-figures.ts";
import {
  dropCoveredPiece,
  type HealOutcome,
  type HealRequest,
  healLog,
  healObject,
  isUnavailable,
} from "../../copier/heal-object.ts";
import { type Finding, findingOf, isUnsound } from "../../repository/finding.ts";
import type { LogSpan } from "../../repository/log-cover.ts";
import { objectNames } from "../../repository/object-names.ts";
import type { Repository } from "../../repository/repository.ts";
import { dataBytes, type ReadObject, verifyData, verifyPack } from "../../repository/verify-data.ts";
import { type VerifiedPack, verifyStructure } from "../../repository/verify-structure.ts";
import type { AgentEnvironment } from "../environment.ts";
import type { ServiceContext } from "../service-context.ts";
import { whileWriting } from "../store-hold.ts";
import { pacedBy } from "./verification-pace.ts";

/** How far it is, is written down this often: so much is read again after a crash. */
const saveEveryMs = 2000;

/** What a verification has found and done. */
interface Counts {
  objects: number;
  readBytes: number;
  healed: number;
}

interface VerificationParts {
  readonly env: AgentEnvironment;
  readonly job: RunningJob;
  readonly service: ServiceContext;
  readonly repository: Repository;
  readonly healing: HealRequest;
}

type StreamSpan = LogSpan & { readonly stream: string };

/** One verification of what a service has in a store. */
export class Verification {
  readonly #parts: VerificationParts;
  readonly #place: VerifiedPlace;
  readonly #counts: Counts = { objects: 0, readBytes: 0, healed: 0 };
  /** Objects that were found damaged or missing in this run, and are not healed. */
  readonly #found = new Set<string>();
  /** Objects that were read whole in this run, and are sound. */
  readonly #sound = new Set<string>();
  readonly #healed = new Set<string>();

  constructor(parts: VerificationParts) {
    this.#parts = parts;
    this.#place = { serviceId: parts.job.serviceId, cloud: parts.env.cloud };
  }

  async run(): Promise<Record<string, unknown>> {
    const { env, job } = this.#parts;
    const { db } = env.catalog;
    const log = await this.#knownLog();
    for (const key of await this.#heldElsewhere(log)) {
      await this.#treat({ key, kind: "missing", what: "it is not in the store", backups: [] });
    }
    const net = await netBytes(db, this.#place);
    let structure = await this.#verifyStructure(log);
    // What a manifest names is only known once it can be read.
    while (await this.#treatAll(structure.findings)) structure = await this.#verifyStructure(log);
    const { objects, packBytes, logBytes } = structure;
    await recordVerification(db, this.#place, {
      ...{ structure_at: new Date(), structure_objects: objects },
      ...{ pack_bytes: packBytes, log_bytes: logBytes, ...net },
    });
    this.#counts.objects = structure.objects;
    await this.#readData(structure.packs, log);
    await this.#lookAgain(structure.packs);
    await recordVerifiedUntil(db, this.#place);
    const left = (await damagedObjects(db, this.#place)).filter(({ kind }) => kind !== "stray");
    const affected = [...new Set(left.flatMap(({ backups }) => [...backups]))].sort();
    return {
      cloud: env.cloud,
      readDataPercent: readDataPercent(job),
      ...this.#counts,
      damaged: left.length,
      affectedBackups: affected,
    };
  }

  async tellHealed(key: string, what: string, from: string): Promise<void> {
    const { env, service } = this.#parts;
    this.#counts.healed += 1;
    await recordEvent(env.catalog.db, {
      ...{ project: service.row.project, service: service.row, kind: "object_healed", severity: "warning" },
      message: `${key} of ${service.row.name} in ${env.cloud} was healed from ${from}: ${what}`,
    });
  }

  /** Histories of log that this store lacks: only other locations can tell of them. */
  async #heldElsewhere(log: readonly StreamSpan[]): Promise<readonly string[]> {
    const { healing, repository, job } = this.#parts;
    const { serviceId, signal } = job;
    const keys = new Set<string>();
    for (const { store } of healing.sources) {
      try {
        for (const { stream } of log) {
          const history = objectNames.logHistory(serviceId, stream);
          if (await store.head(history, { signal })) keys.add(history);
        }
      } catch (error) {
        if (!isUnavailable(error)) throw error; // it is not waited for
      }
    }
    const lacking: string[] = [];
    for (const key of keys) if (!(await repository.store.head(key, { signal }))) lacking.push(key);
    return lacking;
  }

  async #verifyStructure(log: readonly StreamSpan[]) {
    const { env, job, repository } = this.#parts;
    const known = await env.catalog.db
      .selectFrom("backup_location")
      .select("backup_id")
      .where("service_id", "=", job.serviceId)
      .where("cloud", "=", env.cloud)
      .where("state", "=", "complete")
      .execute();
    return await verifyStructure({
      repository,
      known: new Set(known.map(({ backup_id }) => backup_id)),
      log,
      onProgress: (done) => job.progress({ phase: "checking that everything is there", done, unit: "objects" }),
      signal: job.signal,
    });
  }

  /** In order of their names. */
  async #knownLog(): Promise<readonly StreamSpan[]> {
    const ranges = await this.#parts.env.catalog.db
      .selectFrom("log_range")
      .select(["stream", "start_position", "end_position"])
      .where("service_id", "=", this.#place.serviceId)
      .where("cloud", "=", this.#place.cloud)
      .execute();
    return ranges
      .map(({ stream, start_position: start, end_position: end }) => ({ stream, start, end }))
      .sort((a, b) => (`${a.stream} ${a.start}` < `${b.stream} ${b.start}` ? -1 : 1));
  }

  /** Reads this job's share, from where an earlier one ended. */
  async #readData(packs: readonly VerifiedPack[], log: readonly StreamSpan[]): Promise<void> {
    const { env, job, repository } = this.#parts;
    const { db } = env.catalog;
    const { signal } = job;
    const percent = readDataPercent(job);
    const total = await dataBytes({ repository, packs, log, signal });
    const share = Math.ceil((total * percent) / 100);
    if (share === 0) return;
    const before = (await verifications(db, job.serviceId)).find(({ cloud }) => cloud === env.cloud);
    // An attempt that was cut off goes on with what is left of its share. All of it is read from the beginning.
    const isResumed = before?.job_id === job.id;
    const isBegun = isResumed || percent < 100;
    const readBefore = isResumed ? before.job_bytes : 0;
    const isAllRead = readBefore > 0 && percent === 100 && before?.data_after === null;
    if (isAllRead) return; // it was cut off after that
    const progress = {
      after: (isBegun && before?.data_after) || null,
      roundStartedAt: (isBegun && before?.data_round_started_at) || new Date(),
      bytes: readBefore,
    };
    const save = () =>
      recordVerification(db, this.#place, {
        ...{ data_after: progress.after, data_round_started_at: progress.roundStartedAt },
        ...{ job_id: job.id, job_bytes: progress.bytes },
      });
    const pace = pacedBy(env, job);
    let savedAtMs = performance.now();
    const onRead = async ({ key, sizeBytes, finding, isLast }: ReadObject) => {
      if (finding) await this.#treat(finding);
      else this.#sound.add(key);
      progress.bytes += sizeBytes;
      progress.after = isLast ? null : key;
      this.#counts.readBytes += sizeBytes;
      if (isLast) {
        await recordVerification(db, this.#place, { data_verified_at: progress.roundStartedAt });
        progress.roundStartedAt = new Date();
      }
      // One that is paced may be about to wait for long.
      if (isLast || pace || performance.now() - savedAtMs > saveEveryMs) {
        await save();
        savedAtMs = performance.now();
      }
      const done = Math.min(progress.bytes, share);
      job.progress({ phase: "reading data", done, total: share, unit: "bytes" });
      await pace?.took(sizeBytes);
    };
    const after = progress.after ?? undefined;
    await verifyData({
      ...{ repository, workers: env.workers, packs, log, after },
      ...{ maxBytes: percent < 100 ? share - readBefore : undefined, onRead, signal },
    });
    await save();
  }

  /** What was noted as damaged before: it may be sound by now, or needed no more. */
  async #lookAgain(packs: readonly VerifiedPack[]): Promise<void> {
    const { env } = this.#parts;
    const needed = new Map(packs.map((pack) => [objectNames.pack(this.#place.serviceId, pack.sha256), pack]));
    for (const object of await damagedObjects(env.catalog.db, this.#place)) {
      const { key, kind } = object;
      if (this.#found.has(key)) continue;
      const finding =
        this.#sound.has(key) || kind === "stray" ? undefined : await this.#verifyAgain(key, needed.get(key));
      if (finding) await this.#treat({ ...finding, log: finding.log ?? logOf(object) });
      else await clearDamage(env.catalog.db, this.#place, key);
    }
  }

  /** What structure covers is sound, as it did not find it again; data must be read. */
  async #verifyAgain(key: string, pack: VerifiedPack | undefined): Promise<Finding | undefined> {
    const { env, job, repository } = this.#parts;
    if (pack) return await verifyPack({ repository, workers: env.workers, signal: job.signal }, key, pack);
    const prefix = objectNames.log(this.#place.serviceId);
    const bytes = key.startsWith(prefix) ? await repository.store.get(key, { signal: job.signal }) : undefined;
    if (!bytes) return undefined;
    try {
      await repository.checkSealed(key, bytes);
      return undefined;
    } catch (error) {
      if (isUnsound(error)) return findingOf(key, error, []);
      throw error;
    }
  }

  /** @returns whether a manifest was healed */
  async #treatAll(findings: readonly Finding[]): Promise<boolean> {
    let isManifestHealed = false;
    for (const finding of findings) {
      const outcome = await this.#treat(finding);
      isManifestHealed ||= outcome === "healed" && finding.key.endsWith("/manifest");
    }
    return isManifestHealed;
  }

  /** Heals it, or notes it. */
  async #treat(finding: Finding): Promise<"healed" | "noted" | "unneeded"> {
    const { env, job } = this.#parts;
    const { db } = env.catalog;
    const { key, kind, what, log } = finding;
    if (kind !== "stray") {
      // What is healed must not be removed at the same moment.
      const outcome = await whileWriting(env, job, async ({ signal }) =>
        (await this.#isNeeded(finding)) ? await this.#heal(finding, signal) : undefined,
      );
      if (!outcome) return "unneeded";
      if (outcome.kind === "healed") {
        this.#healed.add(key);
        await clearDamage(db, this.#place, key);
        await this.tellHealed(key, what, outcome.from);
        return "healed";
      }
      finding = { ...finding, what: [what, ...outcome.reasons].join("; ") };
    }
    this.#found.add(key);
    const isNew = await recordDamage(db, this.#place, {
      ...{ key, kind, what: finding.what, backups: finding.backups },
      ...{ log_stream: log?.stream ?? null, log_start: log?.start ?? null, log_end: log?.end ?? null },
      log_after: log?.after ?? null,
    });
    if (isNew) await this.#tellDamage(finding);
    return "noted";
  }

  async #tellDamage({ key, kind, what }: Finding): Promise<void> {
    const { env, service } = this.#parts;
    const message =
      kind === "stray"
        ? `${key} is in the store of ${env.cloud}, and ${what}`
        : `${key} of ${service.row.name} in ${env.cloud} is ${kind}, and cannot be healed: ${what}`;
    const severity = kind === "stray" ? "warning" : "error";
    const eventKind = kind === "stray" ? "stray_object" : "damage_found";
    await recordEvent(env.catalog.db, {
      project: service.row.project,
      service: service.row,
      kind: eventKind,
      severity,
      message,
    });
  }

  /** What retention has removed, or is about to, since it was looked up is no damage. */
  async #isNeeded({ backups, log, key }: Finding): Promise<boolean> {
    const { job, repository } = this.#parts;
    const { signal } = job;
    if (log) {
      const ranges = await this.#knownLog();
      return ranges.some(({ stream, start, end }) => stream === log.stream && start < log.end && log.start < end);
    }
    if (backups.length === 0) return true;
    for (const id of backups) {
      const manifest = objectNames.manifest(repository.serviceId, id);
      if (key === manifest ? await this.#isComplete(id) : await repository.store.head(manifest, { signal }))
        return true;
    }
    return false;
  }

  /** Of one that the catalog does not know, its manifest says so by being there. */
  async #isComplete(backupId: string): Promise<boolean> {
    const { env, job, repository } = this.#parts;
    const { serviceId, signal } = job;
    const known = await env.catalog.db
      .selectFrom("backup_location")
      .select("state")
      .where("service_id", "=", serviceId)
      .where("cloud", "=", env.cloud)
      .where("backup_id", "=", backupId)
      .executeTakeFirst();
    if (known) return known.state === "complete";
    return (await repository.store.head(objectNames.manifest(serviceId, backupId), { signal })) !== undefined;
  }

  async #heal({ key, kind, log }: Finding, signal: AbortSignal): Promise<HealOutcome> {
    const { env, repository } = this.#parts;
    if (this.#healed.has(key)) return { kind: "hopeless", reasons: ["the bytes of another location did not mend it"] };
    const checkOpens = (name: string, bytes: Buffer) => repository.checkSealed(name, bytes);
    const healing = { ...this.#parts.healing, checkOpens, signal };
    if (!log) return await healObject(healing, key);
    if (kind === "missing") return await healLog(healing, log, undefined);
    if (await dropCoveredPiece(healing, log, key)) return { kind: "healed", from: `other pieces in ${env.cloud}` };
    return await healLog(healing, log, key);
  }
}

function logOf(object: Awaited<ReturnType<typeof damagedObjects>>[number]): Finding["log"] {
  const { log_stream: stream, log_start: start, log_end: end, log_after: after } = object;
  if (stream === null || start === null || end === null) return undefined;
  return { stream, start, end, after: after ?? undefined };
}

function readDataPercent({ input }: RunningJob): number {
  const percent = input["readDataPercent"];
  return typeof percent === "number" ? Math.min(100, Math.max(0, percent)) : 0;
}
