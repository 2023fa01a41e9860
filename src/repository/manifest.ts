import Type from "typebox";
import { Check, Errors } from "typebox/value";
import { BtarError } from "../domain/errors.ts";
import { checkRelativePath, type StoredFiles } from "./stored-file.ts";

/** What the manifest says besides files; see docs/repository-format.md, "Manifest". */
export interface ManifestHead {
  readonly backupId: string;
  readonly serviceId: string;
  readonly engine: string;
  /** Why it was taken: `schedule`, `request`, … */
  readonly reason: string;
  readonly startedAt: Date;
  readonly consistentAt: Date;
  readonly completedAt: Date;
  readonly identity: { readonly version: string; readonly majorVersion: string; readonly systemId: string };
  readonly log: { readonly stream: string; readonly start: string; readonly end: string };
  /** The engine's own facts that a restore needs. */
  readonly engineFacts: Readonly<Record<string, unknown>>;
  /** What read it, when that was not btar itself, and why; for people. */
  readonly readBy?: string;
  /** Name of the description of the service (below `service/`) at that time. */
  readonly descriptionVersion: string;
  readonly dataBytes: number;
  readonly storedBytes: number;
}

/** A base backup, whole: it names everything that a restore needs but the log. */
export interface BackupManifest extends ManifestHead, StoredFiles {}

/** Bytes of all packs that it names, those of earlier backups too. */
export function packBytes({ packs }: Pick<BackupManifest, "packs">): number {
  return packs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

const hex = (digits: number) => Type.String({ pattern: `^[0-9a-f]{${digits}}$` });
const count = Type.Integer({ minimum: 0 });

const manifestSchema = Type.Object({
  format: Type.Literal(1),
  backupId: Type.String(),
  serviceId: Type.String(),
  engine: Type.String(),
  reason: Type.String(),
  startedAt: Type.String(),
  consistentAt: Type.String(),
  completedAt: Type.String(),
  identity: Type.Object({ version: Type.String(), majorVersion: Type.String(), systemId: Type.String() }),
  log: Type.Object({ stream: Type.String(), start: Type.String(), end: Type.String() }),
  engineFacts: Type.Record(Type.String(), Type.Unknown()),
  readBy: Type.Optional(Type.String()),
  descriptionVersion: Type.String(),
  dataBytes: count,
  storedBytes: count,
  directories: Type.Array(Type.Tuple([Type.String(), count])),
  /** path, mode, modified at (ms since 1970), size, group, index in the group */
  files: Type.Array(Type.Tuple([Type.String(), count, Type.Integer(), count, count, count])),
  /** pack, offset, sealed bytes, plain bytes, sequence */
  groups: Type.Array(Type.Tuple([count, count, count, count, count])),
  /** SHA-256, session, key id, size, live bytes */
  packs: Type.Array(Type.Tuple([hex(64), hex(32), hex(16), count, count])),
});

export function encodeManifest(manifest: BackupManifest): Buffer {
  const { directories, files, groups, packs, startedAt, consistentAt, completedAt, ...head } = manifest;
  const content: Type.Static<typeof manifestSchema> = {
    format: 1,
    ...head,
    startedAt: startedAt.toISOString(),
    consistentAt: consistentAt.toISOString(),
    completedAt: completedAt.toISOString(),
    engineFacts: { ...head.engineFacts },
    directories: directories.map(({ path, mode }) => [path, mode]),
    files: files.map((file) => [
      file.path,
      file.mode,
      file.modifiedAtMs,
      file.sizeBytes,
      file.group,
      file.indexInGroup,
    ]),
    groups: groups.map((group) => [group.pack, group.offset, group.sealedBytes, group.plainBytes, group.sequence]),
    packs: packs.map((pack) => [pack.sha256, pack.session, pack.keyId, pack.sizeBytes, pack.liveBytes]),
  };
  return Buffer.from(JSON.stringify(content));
}

/** @throws {BtarError} UNSUPPORTED_FORMAT, OBJECT_DAMAGED, UNSAFE_PATH */
export function decodeManifest(bytes: Buffer, name: string): BackupManifest {
  const content: unknown = parse(bytes, name);
  if (isObject(content) && content["format"] !== 1) {
    throw new BtarError("UNSUPPORTED_FORMAT", {
      message: `${name} is of format version ${String(content["format"])}`,
      hint: "this btar reads version 1; use a newer one",
    });
  }
  if (!Check(manifestSchema, content)) {
    const [first] = Errors(manifestSchema, content);
    throw damaged(name, first ? `${first.instancePath} ${first.message}` : "fields are missing");
  }
  const { format: _, startedAt, consistentAt, completedAt, ...head } = content;
  const manifest: BackupManifest = {
    ...head,
    startedAt: new Date(startedAt),
    consistentAt: new Date(consistentAt),
    completedAt: new Date(completedAt),
    directories: content.directories.map(([path, mode]) => ({ path, mode })),
    files: content.files.map(([path, mode, modifiedAtMs, sizeBytes, group, indexInGroup]) => {
      return { path, mode, modifiedAtMs, sizeBytes, group, indexInGroup };
    }),
    groups: content.groups.map(([pack, offset, sealedBytes, plainBytes, sequence]) => {
      return { pack, offset, sealedBytes, plainBytes, sequence };
    }),
    packs: content.packs.map(([sha256, session, keyId, sizeBytes, liveBytes]) => {
      return { sha256, session, keyId, sizeBytes, liveBytes };
    }),
  };
  checkReferences(manifest, name);
  return manifest;
}

function checkReferences(manifest: BackupManifest, name: string): void {
  const seen = new Set<string>();
  for (const { path } of [...manifest.directories, ...manifest.files]) {
    checkRelativePath(path);
    if (seen.has(path)) throw damaged(name, `${path} is named twice`);
    seen.add(path);
  }
  if (manifest.files.some((file) => file.group >= manifest.groups.length)) throw damaged(name, "a group is missing");
  if (manifest.groups.some((group) => group.pack >= manifest.packs.length)) throw damaged(name, "a pack is missing");
}

function parse(bytes: Buffer, name: string): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw damaged(name, "it is no JSON", cause);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function damaged(name: string, what: string, cause?: unknown): BtarError {
  return new BtarError("OBJECT_DAMAGED", {
    message: `${name} is damaged: ${what}`,
    hint: "use another backup or another location; `btar status` lists them",
    details: { object: name },
    cause,
  });
}
