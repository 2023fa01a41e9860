import assert from "node:assert/strict";
import { test } from "node:test";
import { rejectsWith } from "../../../../test/support/assert-error.ts";
import { BtarError } from "../../../domain/errors.ts";
import type { ExtentPart, FileEntry, ScatteredFileSink } from "../../engine.ts";
import type { CloneState, DataDescriptor, FileDescriptor, StateDescriptor } from "./descriptor.ts";
import { encryptionBlockBytes, initialPage, spaceIds, tablespaceLayout } from "./page-layout.ts";
import { ReceivedClone } from "./received-clone.ts";

const plain = 0x4021;
const encrypted = plain | (1 << 13);
const page = 16_384;
const versions = Buffer.from("000161a000000001", "hex");

/** Keeps files in memory. */
class MemorySink implements ScatteredFileSink {
  readonly files = new Map<string, { readonly sizeBytes: number; readonly content: Buffer }>();
  readonly directories: string[] = [];

  directory(path: string): void {
    this.directories.push(path);
  }

  openFile() {
    const content = Buffer.alloc(4 * 1024 * 1024);
    return {
      write: (index: number, parts: readonly ExtentPart[]) => {
        for (const { offset, bytes } of parts) bytes.copy(content, index * 1024 * 1024 + offset);
        return Promise.resolve();
      },
      finish: ({ path, sizeBytes }: FileEntry) => {
        this.files.set(path, { sizeBytes, content: content.subarray(0, sizeBytes) });
        return Promise.resolve();
      },
    };
  }

  settle(): Promise<void> {
    return Promise.resolve();
  }
}

class TestClone {
  readonly sink = new MemorySink();
  readonly clone = new ReceivedClone(this.sink, {
    malformed: (what) => new BtarError("SERVER_PROTOCOL", { message: what }),
    versionNumber: 90_704,
  });

  begin(state: CloneState, counts: Partial<StateDescriptor> = {}): void {
    this.clone.begin({
      ...{ kind: "state", state, step: "start", chunkCount: 8, fileCount: 0, bytesToSend: 0 },
      ...counts,
    });
  }

  file(state: CloneState, index: number, name: string, said: Partial<FileDescriptor> = {}): void {
    this.clone.file({
      ...{ kind: "file", state, index, name: Buffer.from(name), sizeBytes: 7 * page, spaceId: index },
      ...{ tablespaceFlags: plain, isEncrypted: false, isRenamed: false, isDeleted: false },
      ...{ firstChunk: 1, lastChunk: 1, key: undefined },
      ...said,
    });
  }

  async data(state: CloneState, fileIndex: number, bytes: Buffer, said: Partial<DataDescriptor> = {}): Promise<void> {
    const description = { chunk: 1, block: 1, offset: 0, fileSizeBytes: 0, lengthBytes: bytes.length };
    const block = this.clone.block({ ...{ kind: "data", state, fileIndex, ...description }, ...said }, this);
    // In two pieces, as networks do.
    await block.write(bytes.subarray(0, 5));
    await block.write(bytes.subarray(5));
    block.end();
  }

  /** Two tables and the data dictionary, all with one page. */
  async beginWithFiles(): Promise<void> {
    this.begin("file-copy", { fileCount: 3 });
    this.file("file-copy", 0, "mysql.ibd", { spaceId: spaceIds.dataDictionary });
    this.file("file-copy", 1, "./shop/a.ibd");
    this.file("file-copy", 2, "./shop/b.ibd");
    const dictionary = Buffer.alloc(page);
    versions.copy(dictionary, 8);
    await this.data("file-copy", 0, dictionary);
    for (const index of [1, 2]) await this.data("file-copy", index, Buffer.alloc(page, index));
  }

  async finish(): Promise<ReadonlyMap<string, { readonly sizeBytes: number; readonly content: Buffer }>> {
    if (this.clone.state === "file-copy") this.begin("page-copy");
    if (this.clone.state === "page-copy") this.begin("redo-copy");
    await this.clone.finish(new Date(0));
    return this.sink.files;
  }
}

test("tables that exchange their names while they are read have the names that they had at the end", async () => {
  const test = new TestClone();
  await test.beginWithFiles();
  test.file("page-copy", 1, "./shop/b.ibd", { isRenamed: true });
  test.file("page-copy", 2, "./shop/a.ibd", { isRenamed: true });
  const files = await test.finish();
  assert.deepEqual([...files.keys()].sort(), ["mysql.ibd", "shop/a.ibd", "shop/b.ibd"]);
  assert.deepEqual([files.get("shop/a.ibd")?.content[0], files.get("shop/b.ibd")?.content[0]], [2, 1]);
  assert.deepEqual(test.sink.directories, ["mysql", "shop"]);
});

test("a dropped table is none of the backup, whatever still comes of it", async () => {
  const test = new TestClone();
  await test.beginWithFiles();
  test.file("file-copy", 1, "./shop/#sql-ib1.ibd", { isDeleted: true, isRenamed: true });
  await test.data("file-copy", 1, Buffer.alloc(page, 9));
  test.file("page-copy", 1, "./shop/#sql-ib1.ibd", { isDeleted: true, isRenamed: true });
  test.file("page-copy", 7, "./shop/#sql-ib2.ibd", { isDeleted: true });
  test.begin("page-copy");
  test.file("page-copy", 2, "./shop/b.ibd", { isDeleted: true, firstChunk: 3 });
  assert.deepEqual(test.clone.interrupted().receivedChunks, new Uint32Array([0b100]));
  assert.deepEqual([...(await test.finish()).keys()], ["mysql.ibd"]);
});

test("a table that is made meanwhile begins with a page by which recovery finds its redo", async () => {
  const test = new TestClone();
  await test.beginWithFiles();
  test.file("page-copy", 3, "./shop/new.ibd", { spaceId: 30 });
  test.file("page-copy", 4, "./shop/grown.ibd", { spaceId: 31 });
  test.file("page-copy", 5, "./undo_9", { spaceId: 0xffff_ffed, sizeBytes: 0 });
  test.begin("page-copy");
  const first = Buffer.alloc(page, 8);
  await test.data("page-copy", 4, first, { fileSizeBytes: 1024 * 1024 + page });
  await test.data("page-copy", 4, Buffer.alloc(page, 7), { offset: 5 * page, block: 2 });
  // What a boundary tells belongs to data files, even when the next state is that of redo.
  test.file("redo-copy", 6, "./shop/late.ibd", { spaceId: 32 });
  const files = await test.finish();
  const made = initialPage({ flags: plain, spaceId: 30, versions, key: undefined });
  assert.ok(files.get("shop/new.ibd")?.content.subarray(0, page).equals(made));
  assert.ok(files.get("shop/grown.ibd")?.content.subarray(0, page).equals(first));
  assert.equal(files.get("shop/grown.ibd")?.content[5 * page], 7);
  const sizes = ["shop/new.ibd", "shop/grown.ibd", "shop/late.ibd", "undo_9"].map((name) => files.get(name)?.sizeBytes);
  assert.deepEqual(sizes, [7 * page, 2 * 1024 * 1024, 7 * page, 16 * 1024 * 1024]);
});

test("redo files get their names by number, and are told of twice", async () => {
  const test = new TestClone();
  await test.beginWithFiles();
  test.begin("page-copy");
  test.begin("redo-copy", { fileCount: 2 });
  const redo = { tablespaceFlags: undefined, spaceId: spaceIds.redo, sizeBytes: 2 * 1024 * 1024 };
  for (const index of [1, 0, 1, 0]) test.file("redo-copy", index, "", redo);
  await test.data("redo-copy", 0, Buffer.alloc(1000, 3), { offset: 2048 });
  const files = await test.finish();
  assert.equal(files.get("#innodb_redo/#ib_redo0")?.content[2048], 3);
  assert.equal(files.get("#innodb_redo/#ib_redo1")?.sizeBytes, 2 * 1024 * 1024);
});

test("a key that comes damaged ends the backup", async () => {
  const test = new TestClone();
  test.begin("file-copy", { fileCount: 1 });
  test.file("file-copy", 0, "./shop/secret.ibd", { tablespaceFlags: encrypted });
  test.begin("page-copy");
  const first = initialPage({ flags: encrypted, spaceId: 0, versions, key: Buffer.alloc(64, 1) });
  await test.data("page-copy", 0, first);
  const { encryptionOffset } = tablespaceLayout(encrypted);
  first.fill(0, encryptionOffset + encryptionBlockBytes - 20, encryptionOffset + encryptionBlockBytes - 10);
  const error = await rejectsWith("SERVER_DATA_CORRUPT", () => test.data("page-copy", 0, first));
  assert.match(error.message, /shop\/secret\.ibd/);
});

test("a tablespace that is decrypted while it is read comes with a key, which a restore must know of", async () => {
  const test = new TestClone();
  test.begin("file-copy", { fileCount: 2 });
  for (const [index, name] of ["one", "two"].entries()) {
    test.file("file-copy", index, `./${name}.ibd`, { tablespaceFlags: encrypted });
  }
  test.begin("page-copy");
  await test.data("page-copy", 0, initialPage({ flags: encrypted, spaceId: 0, versions, key: Buffer.alloc(64, 1) }));
  await test.data("page-copy", 1, initialPage({ flags: plain, spaceId: 1, versions, key: undefined }));
  for (const [index, name] of ["one", "two"].entries()) test.file("redo-copy", index, `./${name}.ibd`);
  test.begin("redo-copy");
  const { files } = await test.clone.finish(new Date(0));
  assert.deepEqual(
    files.map(({ path, layout }) => [path, layout?.isEncrypted]),
    [
      ["one.ibd", true],
      ["two.ibd", false],
    ],
  );
});

test("what comes out of turn is refused", async () => {
  const test = new TestClone();
  await rejectsWith("SERVER_PROTOCOL", () => test.begin("page-copy"));
  await rejectsWith("SERVER_PROTOCOL", () => test.file("file-copy", 0, ""));
  await test.beginWithFiles();
  const wrong: readonly (readonly [string, () => unknown])[] = [
    ["redo-copy after file-copy", () => test.begin("redo-copy")],
    ["a file of redo-copy in file-copy", () => test.file("redo-copy", 9, "./x.ibd")],
    ["block 1 of chunk 1 of page-copy in file-copy", () => test.data("page-copy", 1, Buffer.alloc(page))],
    ["block 1 of chunk 9 of file-copy", () => test.data("file-copy", 1, Buffer.alloc(page), { chunk: 9 })],
    ["data of file 99", () => test.data("file-copy", 99, Buffer.alloc(page))],
    ["without a name", () => test.file("file-copy", 9, "")],
    ["that is no tablespace", () => test.file("page-copy", 9, "./x", { tablespaceFlags: undefined })],
  ];
  for (const [message, work] of wrong) {
    const error = await rejectsWith("SERVER_PROTOCOL", work);
    assert.ok(error.message.includes(message), error.message);
  }
  await rejectsWith("UNSAFE_PATH", () => test.file("page-copy", 9, "../x.ibd"));
  test.begin("page-copy");
  await rejectsWith("SERVER_PROTOCOL", () => test.file("page-copy", 1, "./shop/a.ibd"));
  test.file("redo-copy", 1, "./shop/b.ibd", { isRenamed: true });
  await rejectsWith("SERVER_PROTOCOL", async () => await test.finish());

  const few = new TestClone();
  few.begin("file-copy", { fileCount: 2 });
  few.file("file-copy", 0, "./shop/a.ibd");
  const error = await rejectsWith("SERVER_PROTOCOL", () => few.begin("page-copy"));
  assert.match(error.message, /1 files, 2 were announced/);
});
