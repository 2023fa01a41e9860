import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { pageOfRows, pageOfTuples } from "../../test/support/equal-row-pages.ts";
import { type BlobRole, openBlob, sealBlob } from "./blob.ts";

const key = randomBytes(32);
const innodbPage = () => pageOfRows({ rowBytes: 40, rows: 300 });

/** As PostgreSQL lays pages out, of tuples that count up. */
function countingPage(): Buffer {
  const page = pageOfTuples(40, 150);
  page.fill(0, page.readUInt16LE(14));
  for (let at = page.readUInt16LE(14), count = 0; at < page.length; at += 40, count += 1) page.writeUInt32LE(count, at);
  return page;
}

function sealed(plain: Buffer, role: BlobRole, sequence: number): Buffer {
  return Buffer.concat(sealBlob(key, { role, sequence, plain, level: 3 }));
}

test("pages of either engine, and all else, are opened as they were sealed", () => {
  const contents = {
    mysql: innodbPage(),
    postgres: pageOfTuples(40, 150),
    counting: countingPage(),
    long: Buffer.concat(Array.from({ length: 70 }, innodbPage)),
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
