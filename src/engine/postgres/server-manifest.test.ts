import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { crc32c } from "@node-rs/crc32";
import fc from "fast-check";
import { rejectsWith } from "../../../test/support/assert-error.ts";
import { type ReceivedFile, ServerManifestCheck } from "./server-manifest.ts";

const systemId = "7711131922836973084"; // more digits than a number can hold
const content = Buffer.from("the content of a file");

function received(bytes: Buffer = content): ReceivedFile {
  return { sizeBytes: bytes.length, crc32c: crc32c(bytes) };
}

/** A manifest as a server of version 17 and later writes it. */
function manifest(paths: readonly string[], system: string = systemId): Buffer {
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32LE(crc32c(content));
  const lines = paths.map((path) => {
    const fields = `"Size": ${content.length}, "Last-Modified": "2026-11-22 23:01:45 GMT"`;
    return `{ "Path": ${JSON.stringify(path)}, ${fields}, "Checksum-Algorithm": "CRC32C", "Checksum": "${checksum.toString("hex")}" }`;
  });
  const ranges = '"WAL-Ranges": [\n{ "Timeline": 1, "Start-LSN": "0/2000028", "End-LSN": "0/2000120" }\n],\n';
  const head = `{ "PostgreSQL-Backup-Manifest-Version": 2,\n"System-Identifier": ${system},\n"Files": [\n`;
  return withChecksum(`${head}${lines.join(",\n")}\n],\n${ranges}`);
}

function withChecksum(body: string): Buffer {
  return Buffer.from(`${body}"Manifest-Checksum": "${createHash("sha256").update(body).digest("hex")}"}\n`);
}

function check(files: Readonly<Record<string, ReceivedFile>>, pieces: readonly Buffer[]): void {
  const check = new ServerManifestCheck(new Map(Object.entries(files)), systemId);
  for (const piece of pieces) check.read(piece);
  check.finish();
}

const files = { "base/1/1259": received(), PG_VERSION: received() };
const complete = manifest(Object.keys(files));

test("files that arrived as the server's manifest lists them pass, wherever the manifest is cut", () => {
  fc.assert(
    fc.property(fc.infiniteStream(fc.integer({ min: 1, max: 200 })), (lengths) => {
      const pieces: Buffer[] = [];
      for (let offset = 0; offset < complete.length; ) {
        const length = lengths.next().value ?? 1;
        pieces.push(complete.subarray(offset, offset + length));
        offset += length;
      }
      check(files, pieces);
    }),
  );
});

test("a file that arrived with another byte is named", async () => {
  const altered = Buffer.from(content);
  altered[3] = 0;
  const damaged = { ...files, PG_VERSION: received(altered) };
  const error = await rejectsWith("SERVER_DATA_CORRUPT", () => check(damaged, [complete]));
  assert.match(error.message, /"PG_VERSION".*other content/);
});

test("a file that arrived cut short, not at all, or unasked for is named", async () => {
  const short = { ...files, PG_VERSION: received(content.subarray(1)) };
  assert.match(
    (await rejectsWith("SERVER_DATA_CORRUPT", () => check(short, [complete]))).message,
    /"PG_VERSION".*20 bytes/,
  );
  const missing = { PG_VERSION: received() };
  assert.match((await rejectsWith("SERVER_DATA_CORRUPT", () => check(missing, [complete]))).message, /"base\/1\/1259"/);
  const extra = { ...files, "base/1/9": received() };
  assert.match((await rejectsWith("SERVER_DATA_CORRUPT", () => check(extra, [complete]))).message, /"base\/1\/9"/);
});

test("a manifest that was altered, cut short or continued is refused", async () => {
  const altered = Buffer.from(complete.toString().replace("0/2000028", "0/2000029"));
  await rejectsWith("SERVER_PROTOCOL", () => check(files, [altered]));
  await rejectsWith("SERVER_PROTOCOL", () => check(files, [complete.subarray(0, -2)]));
  await rejectsWith("SERVER_PROTOCOL", () => check(files, [complete.subarray(0, complete.length / 2)]));
  await rejectsWith("SERVER_PROTOCOL", () => check(files, [complete, Buffer.from("more\n")]));
  await rejectsWith("SERVER_PROTOCOL", () => check({}, [Buffer.alloc(100_000, 0x20)]));
});

test("the manifest of another system is refused, even when the numbers differ in the last digit only", async () => {
  await rejectsWith("SERVER_PROTOCOL", () => check(files, [manifest(Object.keys(files), "7711131922836973085")]));
});

test("a name that JSON cannot hold comes in hexadecimal", () => {
  const body = complete
    .toString()
    .replace('"Path": "PG_VERSION"', `"Encoded-Path": "${Buffer.from("PG_VERSION").toString("hex")}"`);
  check(files, [withChecksum(body.slice(0, body.indexOf('"Manifest-Checksum"')))]);
});
