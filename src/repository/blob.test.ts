import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { type BlobRole, openBlob, sealBlob } from "./blob.ts";

const key = randomBytes(32);
const rowBytes = 40;

/** As InnoDB lays pages out, of records that count up. */
function innodbPage(): Buffer {
  const page = Buffer.alloc(16 * 1024, "some page");
  const rows = 300;
  page.writeUInt16BE(17_855, 24);
  page.writeUInt16BE(120 + rows * rowBytes, 40);
  page.writeUInt16BE((rows + 2) | 0x8000, 42);
  for (let row = 0; row < rows; row += 1) page.writeUInt32BE(row, 120 + row * rowBytes);
  return page;
}

/** As PostgreSQL lays pages out, of tuples that count up. */
function postgresPage(): Buffer {
  const page = Buffer.alloc(8192);
  const tuples = 150;
  page.writeUInt16LE(24 + 4 * tuples, 12);
  page.writeUInt16LE(8192 - tuples * rowBytes, 14);
  page.writeUInt16LE(8192, 16);
  page.writeUInt16LE(8192 | 4, 18);
  for (let tuple = 0; tuple < tuples; tuple += 1) {
    const at = 8192 - (tuple + 1) * rowBytes;
    page.writeUInt32LE((at | (1 << 15) | (rowBytes << 17)) >>> 0, 24 + 4 * tuple);
    page.writeUInt32LE(1000 + tuple, at);
  }
  return page;
}

function sealed(plain: Buffer, role: BlobRole, sequence: number): Buffer {
  return Buffer.concat(sealBlob(key, { role, sequence, plain, level: 3 }));
}

test("pages of either engine, and all else, are opened as they were sealed", () => {
  const contents = {
    mysql: innodbPage(),
    postgres: postgresPage(),
    other: randomBytes(50_000),
    empty: Buffer.alloc(0),
  };
  for (const [name, page] of Object.entries(contents)) {
    const plain = Buffer.concat([page, page, page.subarray(0, 1001)]);
    for (const role of ["extent", "delta", "file-map"] as const) {
      const blob = { role, sequence: 7, plainBytes: plain.length };
      assert.ok(openBlob(key, { ...blob, sealed: sealed(plain, role, 7) }).equals(plain), `${name} as ${role}`);
    }
  }
});

test("a blob that differs in a byte, or is another one than asked for, is not opened", () => {
  const plain = innodbPage();
  const blob = sealed(plain, "extent", 7);
  const asked = { role: "extent", sequence: 7, plainBytes: plain.length } as const;
  for (const at of [0, 1, blob.length >> 1, blob.length - 1]) {
    const damaged = Buffer.from(blob);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    assert.throws(() => openBlob(key, { ...asked, sealed: damaged }), `byte ${at}`);
  }
  assert.throws(() => openBlob(key, { ...asked, sequence: 8, sealed: blob }));
  assert.throws(() => openBlob(key, { ...asked, role: "delta", sealed: blob }));
  assert.throws(() => openBlob(key, { ...asked, plainBytes: plain.length - 1, sealed: blob }));
  assert.throws(() => openBlob(randomBytes(32), { ...asked, sealed: blob }));
});
