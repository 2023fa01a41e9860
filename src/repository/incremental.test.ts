import assert from "node:assert/strict";
import { randomBytes, randomInt } from "node:crypto";
import { test } from "node:test";
import {
  fixtureFiles,
  neverAborted,
  onTopOf,
  openFixture,
  serviceId,
  storeBackup,
  storedContent,
} from "../../test/support/backup-fixture.ts";
import { MemoryObjectStore } from "../object-store/memory/memory-object-store.ts";
import { BlobWorkers } from "./blob-workers.ts";
import { extentBytes, pageBytes } from "./file-map.ts";
import type { BackupManifest } from "./manifest.ts";
import { objectNames } from "./object-names.ts";
import type { PreviousBackup } from "./previous-backup.ts";
import type { Repository } from "./repository.ts";
import { mulberry32 } from "../../test/support/random-numbers.ts";

async function assertHolds(repository: Repository, backupId: string, files: ReadonlyMap<string, Buffer>) {
  const manifest = await repository.manifest(backupId);
  const stored = await storedContent(repository, manifest);
  assert.deepEqual([...stored.keys()].sort(), [...files.keys()].sort());
  for (const [path, content] of files) assert.ok(stored.get(path)?.equals(content), `${path} in ${backupId}`);
}

function relation(pageCount: number): Buffer {
  return randomBytes(pageCount * pageBytes);
}

function withPage(content: Buffer, ...pages: readonly number[]): Buffer {
  const copy = Buffer.from(content);
  for (const page of pages) randomBytes(100).copy(copy, page * pageBytes + 24);
  return copy;
}

test("a backup of unchanged files adds next to nothing, and names what is there", async () => {
  const repository = await openFixture(new MemoryObjectStore("unchanged"));
  const first = await storeBackup(repository, "backup-1");
  const second = await storeBackup(repository, "backup-2", fixtureFiles, onTopOf(repository, first));
  assert.ok(second.storedBytes < 2000, `${second.storedBytes} bytes`);
  assert.equal(second.dataBytes, first.dataBytes);
  await assertHolds(repository, "backup-2", fixtureFiles);
});

test("changed pages are stored as deltas of one depth, and whole extents again when much has changed", async () => {
  const repository = await openFixture(new MemoryObjectStore("deltas"));
  const versions = [relation(300)];
  let manifest = await storeBackup(repository, "backup-0", new Map([["base/5/1", versions[0] ?? Buffer.alloc(0)]]));
  for (let round = 1; round <= 12; round += 1) {
    const content = withPage(versions[round - 1] ?? Buffer.alloc(0), round, 128 + 10 * round, 299);
    versions.push(content);
    const files = new Map([["base/5/1", content]]);
    manifest = await storeBackup(repository, `backup-${round}`, files, onTopOf(repository, manifest));
    assert.ok(manifest.storedBytes < 40 * pageBytes, `${manifest.storedBytes} bytes in round ${round}`);
    const backup = onTopOf(repository, manifest);
    const extents = (await backup.file("base/5/1"))?.map.extents ?? [];
    assert.deepEqual([...new Set(extents.map(({ kind }) => kind))], ["delta"]);
  }
  const most = withPage(versions.at(-1) ?? Buffer.alloc(0), ...Array.from({ length: 100 }, (_, page) => page));
  await storeBackup(repository, "backup-13", new Map([["base/5/1", most]]), onTopOf(repository, manifest));
  const last = onTopOf(repository, await repository.manifest("backup-13"));
  const kinds = ((await last.file("base/5/1"))?.map.extents ?? []).map(({ kind }) => kind);
  assert.deepEqual(kinds, ["whole", "delta", "delta"]);
  for (const [round, content] of versions.entries()) {
    await assertHolds(repository, `backup-${round}`, new Map([["base/5/1", content]]));
  }
});

test("files that are cut, grow and become zeros read back", async () => {
  const repository = await openFixture(new MemoryObjectStore("lengths"));
  const start = relation(200);
  const steps = [
    start,
    start.subarray(0, 150 * pageBytes),
    Buffer.concat([start.subarray(0, 150 * pageBytes), Buffer.alloc(100 * pageBytes)]),
    withPage(Buffer.concat([start.subarray(0, 130 * pageBytes), Buffer.alloc(20 * pageBytes)]), 140),
    Buffer.concat([start, relation(200)]),
    start.subarray(0, 100 * pageBytes + 77),
    Buffer.concat([start.subarray(0, 100 * pageBytes), Buffer.alloc(pageBytes)]),
    Buffer.alloc(extentBytes * 2),
    Buffer.alloc(0),
    start,
  ];
  let previous: PreviousBackup | undefined;
  for (const [index, content] of steps.entries()) {
    const files = new Map([["base/5/1", content]]);
    previous = onTopOf(repository, await storeBackup(repository, `backup-${index}`, files, previous));
    await assertHolds(repository, `backup-${index}`, files);
  }
});

test("packs that are damaged or mostly dead are not built on", async () => {
  const repository = await openFixture(new MemoryObjectStore("distrusted"));
  const files = new Map([["base/5/1", relation(256)]]);
  const first = await storeBackup(repository, "backup-1", files);
  const distrusted = new Set(first.packs.map(({ sha256 }) => sha256));
  const second = await storeBackup(repository, "backup-2", files, onTopOf(repository, first, distrusted));
  assert.ok(second.packs.every(({ sha256 }) => !distrusted.has(sha256)));
  await assertHolds(repository, "backup-2", files);

  const mostlyDead = { ...second, packs: second.packs.map((pack) => ({ ...pack, liveBytes: pack.sizeBytes / 8 })) };
  const third = await storeBackup(repository, "backup-3", files, onTopOf(repository, mostlyDead));
  assert.ok(third.packs.every(({ sha256 }) => !second.packs.some((pack) => pack.sha256 === sha256)));
  await assertHolds(repository, "backup-3", files);
});

test("a previous backup that cannot be read is built anew, and its damage is told", async () => {
  const repository = await openFixture(new MemoryObjectStore("damaged"));
  const first = await storeBackup(repository, "backup-1");
  for (const { sha256 } of first.packs) await repository.store.delete(objectNames.pack(serviceId, sha256));
  const workers = new BlobWorkers(1);
  try {
    const writer = repository.baseBackupWriter({ workers, previous: onTopOf(repository, first), signal: neverAborted });
    const content = fixtureFiles.get("base/5/1259") ?? Buffer.alloc(0);
    writer.beginFile({ path: "base/5/1259", sizeBytes: content.length, mode: 0o600, modifiedAt: new Date(0) });
    for (let at = 0; at < content.length; at += 100_000) {
      await writer.drained();
      writer.write(content.subarray(at, at + 100_000));
    }
    writer.endFile();
    const { stored, damage } = await writer.finish();
    assert.deepEqual(new Set(damage.map(({ code }) => code)), new Set(["OBJECT_MISSING"]));
    assert.ok(stored.packs.every(({ sha256 }) => !first.packs.some((pack) => pack.sha256 === sha256)));
  } finally {
    await workers.close();
  }
});

/** Sends a file as a server does that knows which pages changed. */
function changesOf(before: Buffer, after: Buffer): { readonly pages: number[]; readonly content: Buffer } {
  const pages: number[] = [];
  const contents: Buffer[] = [];
  for (let page = 0; page * pageBytes < after.length; page += 1) {
    const now = after.subarray(page * pageBytes, (page + 1) * pageBytes);
    const then = before.subarray(page * pageBytes, (page + 1) * pageBytes);
    const isNewZero = then.length === 0 && now.equals(Buffer.alloc(pageBytes));
    if (now.equals(then) || isNewZero) continue;
    pages.push(page);
    contents.push(now);
  }
  return { pages, content: Buffer.concat(contents) };
}

test("random changes, sent whole or page by page, read back from every backup", async (context) => {
  const seed = randomInt(2 ** 31);
  context.diagnostic(`seed ${seed}`);
  const random = mulberry32(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const repository = await openFixture(new MemoryObjectStore("random"));
  const workers = new BlobWorkers(2);
  const history: Map<string, Buffer>[] = [];
  let previous: PreviousBackup | undefined;
  let files = new Map(Array.from({ length: 4 }, (_, index) => [`base/5/${index}`, relation(1 + below(400))] as const));
  try {
    for (let round = 0; round < 25; round += 1) {
      const writer = repository.baseBackupWriter({ workers, previous, signal: neverAborted });
      const before = history.at(-1);
      for (const [path, content] of files) {
        const entry = { path, sizeBytes: content.length, mode: 0o600, modifiedAt: new Date(0) };
        const old = before?.get(path);
        if (previous && old && old.length % pageBytes === 0 && random() < 0.7) {
          const { pages, content: changed } = changesOf(old, content);
          await writer.beginChangedFile(entry);
          for (let at = 0; at < pages.length; at += 7) {
            await writer.changedPages(pages.slice(at, at + 7), changed.subarray(at * pageBytes, (at + 7) * pageBytes));
          }
          await writer.endChangedFile();
        } else {
          writer.beginFile(entry);
          for (let at = 0; at < content.length; at += 200_000) {
            await writer.drained();
            writer.write(content.subarray(at, at + 200_000));
          }
          writer.endFile();
        }
      }
      const { stored } = await writer.finish();
      const manifest = { ...(await templateManifest()), ...stored, backupId: `backup-${round}` };
      await repository.putManifest(manifest);
      history.push(files);
      previous = onTopOf(repository, await repository.manifest(manifest.backupId));
      files = new Map([...files].map(([path, content]) => [path, mutate(content, below)]));
    }
    for (const [round, expected] of history.entries()) await assertHolds(repository, `backup-${round}`, expected);
  } finally {
    await workers.close();
  }
});

async function templateManifest(): Promise<BackupManifest> {
  return await storeBackup(await openFixture(new MemoryObjectStore("template")), "template", new Map());
}

function mutate(content: Buffer, below: (limit: number) => number): Buffer {
  const pageCount = Math.floor(content.length / pageBytes);
  const kind = below(10);
  if (kind === 0) return content.subarray(0, below(pageCount + 1) * pageBytes);
  if (kind === 1) return Buffer.concat([content, Buffer.alloc(below(150) * pageBytes)]);
  if (kind === 2) return Buffer.concat([content, relation(below(150))]);
  if (kind < 5 || pageCount === 0) return content;
  const pages = Array.from({ length: 1 + below(kind === 9 ? 120 : 6) }, () => below(pageCount));
  return withPage(content, ...pages);
}
