import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { rejectsWith } from "../../../test/support/assert-error.ts";
import { type TarEntry, TarReader } from "./tar-reader.ts";

interface Member {
  readonly name: string;
  /** Type flag: `0` file, `5` directory, `2` link. */
  readonly flag?: string;
  readonly content?: Uint8Array;
  readonly sizeBytes?: number;
}

/** A header as PostgreSQL's tarCreateHeader makes it. */
function header(member: Member): Buffer {
  const block = Buffer.alloc(512);
  const sizeBytes = member.sizeBytes ?? member.content?.length ?? 0;
  block.write(member.name, 0, 100, "utf8");
  block.write("0000600 ", 100, "latin1");
  block.write("0001751 0001751 ", 108, "latin1");
  if (sizeBytes < 8 ** 11) block.write(`${sizeBytes.toString(8).padStart(11, "0")} `, 124, "latin1");
  else {
    block.writeUInt8(0x80, 124);
    block.writeBigUInt64BE(BigInt(sizeBytes), 128);
  }
  block.write("14711131137 ", 136, "latin1");
  block.write(member.flag ?? "0", 156, "latin1");
  block.write("ustar\0", 257, "latin1");
  block.write("00", 263, "latin1");
  return sealed(block);
}

function sealed(block: Buffer): Buffer {
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")} `, 148, "latin1");
  return block;
}

function archive(members: readonly Member[]): Buffer {
  const blocks = members.flatMap((member) => {
    const content = Buffer.from(member.content ?? []);
    return [header(member), content, Buffer.alloc((512 - (content.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

function readAll(pieces: Iterable<Buffer>): { entries: TarEntry[]; contents: Record<string, string> } {
  const reader = new TarReader();
  const entries: TarEntry[] = [];
  const contents: Record<string, string> = {};
  let parts: Buffer[] = [];
  for (const piece of pieces) {
    for (const event of reader.read(piece)) {
      if (event.kind === "entry") {
        entries.push(event.entry);
        parts = [];
      } else if (event.kind === "bytes") parts.push(Buffer.from(event.bytes));
      else contents[entries.at(-1)?.path ?? ""] = Buffer.concat(parts).toString("hex");
    }
  }
  reader.finish();
  return { entries, contents };
}

test("files arrive whole wherever the archive is cut", () => {
  const content = fc.uint8Array({ minLength: 0, maxLength: 1600 });
  const cuts = fc.infiniteStream(fc.integer({ min: 1, max: 1500 }));
  fc.assert(
    fc.property(fc.array(content, { maxLength: 6 }), cuts, (contents, lengths) => {
      const members = contents.map((bytes, index) => ({ name: `base/1/${index}`, content: bytes }));
      const bytes = archive([{ name: "base/", flag: "5" }, ...members]);
      const pieces: Buffer[] = [];
      for (let offset = 0; offset < bytes.length; ) {
        const length = lengths.next().value ?? 1;
        pieces.push(bytes.subarray(offset, offset + length));
        offset += length;
      }
      const { entries, contents: found } = readAll(pieces);
      assert.deepEqual(
        entries.map(({ path }) => path),
        ["base", ...members.map(({ name }) => name)],
      );
      const expected = members.map((member) => [member.name, Buffer.from(member.content).toString("hex")]);
      assert.deepEqual(found, Object.fromEntries(expected));
    }),
  );
});

test("names, kinds, sizes, modes and times are as the server wrote them", () => {
  const members = [
    { name: "./pg_wal/archive_status/", flag: "5" },
    { name: "pg_tblspc/16385/", flag: "2" },
    { name: "global/pg_control", content: Buffer.alloc(8192) },
  ];
  const modifiedAt = new Date(0o14711131137 * 1000);
  assert.deepEqual(readAll([archive(members)]).entries, [
    { path: "pg_wal/archive_status", type: "directory", sizeBytes: 0, mode: 0o600, modifiedAt },
    { path: "pg_tblspc/16385", type: "symlink", sizeBytes: 0, mode: 0o600, modifiedAt },
    { path: "global/pg_control", type: "file", sizeBytes: 8192, mode: 0o600, modifiedAt },
  ]);
});

test("a file of more than 8 GiB has its size in base 256", () => {
  const [event] = new TarReader().read(header({ name: "base/5/16384", sizeBytes: 9 * 1024 ** 3 }));
  assert.equal(event?.kind === "entry" && event.entry.sizeBytes, 9 * 1024 ** 3);
});

test("names that leave the data directory are refused", async () => {
  const names = [
    "/etc/passwd",
    "../x",
    "base/../../x",
    "base/..",
    "a//b",
    "./../x",
    "././x",
    ".",
    "/",
    "a/./b",
    "base\0/x",
  ];
  for (const name of names) await rejectsWith("UNSAFE_PATH", () => readAll([archive([{ name }])]));
});

test("a name that is not UTF-8 is refused", async () => {
  const block = header({ name: "base/?" });
  block[5] = 0xff;
  await rejectsWith("UNSAFE_PATH", () => readAll([sealed(block)]));
});

test("an altered header is refused", async () => {
  const bytes = archive([{ name: "base/1/1259", content: Buffer.alloc(10) }]);
  bytes[3] = 0x78;
  await rejectsWith("SERVER_PROTOCOL", () => readAll([bytes]));
});

test("an archive that is cut short is refused; one without the blocks of zeros at its end is not", async () => {
  const bytes = archive([{ name: "base/1/1259", content: Buffer.alloc(700, 1) }]);
  readAll([bytes.subarray(0, 1536)]);
  for (const length of [100, 512, 600, 1211, 1212, 1535]) {
    await rejectsWith("SERVER_PROTOCOL", () => readAll([bytes.subarray(0, length)]));
  }
});

test("devices and other kinds of entries are refused", async () => {
  for (const flag of ["1", "3", "x", "g", "L"]) {
    await rejectsWith("SERVER_PROTOCOL", () => readAll([archive([{ name: "base/1", flag }])]));
  }
});

test("entries behind the end of the archive are refused", async () => {
  const bytes = Buffer.concat([archive([]), archive([{ name: "base/1" }])]);
  await rejectsWith("SERVER_PROTOCOL", () => readAll([bytes]));
});
