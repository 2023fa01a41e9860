import assert from "node:assert/strict";
import { test } from "node:test";
import { acknowledgement, parseDescriptor, restartLocator, versionLocator } from "./descriptor.ts";

const malformed = (what: string) => new Error(what);

function descriptor(type: number, bytes: number): Buffer {
  const made = Buffer.alloc(bytes);
  made.writeUInt32BE(100, 0);
  made.writeUInt32BE(bytes, 4);
  made.writeUInt32BE(type, 8);
  return made;
}

function state({ number = 2, chunks = 3, files = 5, bytes = 6_000_000_000n, flags = 1 } = {}): Buffer {
  const made = descriptor(3, 46);
  made.writeUInt32BE(number, 12);
  made.writeUInt32BE(chunks, 20);
  made.writeUInt32BE(files, 24);
  made.writeBigUInt64BE(bytes, 28);
  made.writeUInt16BE(flags, 44);
  return made;
}

function file(name: string, { flags = 0, key = Buffer.alloc(0), size = 114_688n, nameBytes = -1, lastChunk = 9 } = {}) {
  const text = Buffer.from(name === "" ? "" : `${name}\0`);
  const made = Buffer.concat([descriptor(4, 62), text, key]);
  made.writeUInt32BE(made.length, 4);
  made.writeUInt32BE(2, 12);
  made.writeBigUInt64BE(size, 16);
  made.writeUInt32BE(0x4021, 32);
  made.writeUInt16BE(flags, 40);
  made.writeUInt32BE(7, 42);
  made.writeUInt32BE(4, 46);
  made.writeUInt32BE(8, 50);
  made.writeUInt32BE(lastChunk, 54);
  made.writeUInt32BE(nameBytes < 0 ? text.length : nameBytes, 58);
  return made;
}

function data({ state: number = 3, chunk = 1, block = 2, length = 16_384, offset = 32_768n } = {}): Buffer {
  const made = descriptor(5, 52);
  made.writeUInt32BE(number, 12);
  made.writeUInt32BE(chunk, 20);
  made.writeUInt32BE(block, 24);
  made.writeUInt32BE(4, 28);
  made.writeUInt32BE(length, 32);
  made.writeBigUInt64BE(offset, 36);
  made.writeBigUInt64BE(65_536n, 44);
  return made;
}

test("every kind of descriptor is read", () => {
  assert.deepEqual(parseDescriptor(descriptor(1, 34), malformed), { kind: "locator" });
  assert.deepEqual(parseDescriptor(descriptor(2, 24), malformed), { kind: "task" });
  assert.deepEqual(parseDescriptor(state(), malformed), {
    kind: "state",
    ...{ state: "file-copy", step: "start", chunkCount: 3, fileCount: 5, bytesToSend: 6_000_000_000 },
  });
  assert.deepEqual(parseDescriptor(file("./shop/t.ibd", { flags: 4 | 8 }), malformed), {
    kind: "file",
    ...{ state: "file-copy", sizeBytes: 114_688, tablespaceFlags: 0x4021, spaceId: 7, index: 4 },
    ...{ isEncrypted: true, isRenamed: true, isDeleted: false, firstChunk: 8, lastChunk: 9 },
    ...{ name: Buffer.from("./shop/t.ibd"), key: undefined },
  });
  assert.deepEqual(parseDescriptor(data(), malformed), {
    kind: "data",
    ...{ state: "page-copy", chunk: 1, block: 2, fileIndex: 4 },
    ...{ lengthBytes: 16_384, offset: 32_768, fileSizeBytes: 65_536 },
  });
});

test("the end of a state, and a donor that only shows that it lives, are told apart", () => {
  const stepOf = (flags: number) => {
    const parsed = parseDescriptor(state({ flags }), malformed);
    return parsed.kind === "state" ? parsed.step : undefined;
  };
  assert.deepEqual([0, 1, 2, 3].map(stepOf), ["end", "start", "keep-alive", "keep-alive"]);
});

test("a redo file has no name, and an encrypted one brings its key", () => {
  const redo = parseDescriptor(file(""), malformed);
  assert.ok(redo.kind === "file" && redo.name.length === 0);
  const key = Buffer.alloc(64, 7);
  const encrypted = parseDescriptor(file("a.ibd", { flags: 32, key }), malformed);
  assert.ok(encrypted.kind === "file" && encrypted.key?.equals(key));
});

test("wrong lengths, numbers and sizes are refused with their values", () => {
  const wrongVersion = state();
  wrongVersion.writeUInt32BE(101, 0);
  const wrongLength = state();
  wrongLength.writeUInt32BE(47, 4);
  const wrong: readonly (readonly [Buffer, RegExp])[] = [
    [Buffer.alloc(11), /of 11 bytes/],
    [wrongVersion, /version 101/],
    [wrongLength, /gives 47/],
    [descriptor(6, 40), /type 6/],
    [descriptor(0, 40), /type 0/],
    [descriptor(1, 33), /locator of 33/],
    [descriptor(2, 25), /task descriptor of 25/],
    [descriptor(3, 45), /state descriptor of 45/],
    [descriptor(4, 61), /file descriptor of 61/],
    [descriptor(5, 53), /data descriptor of 53/],
    [state({ number: 6 }), /number 6/],
    [state({ number: 0 }), /number 0/],
    [state({ flags: 4 }), /flags 4/],
    [state({ chunks: 0xffff_ffff }), /4294967295 chunks/],
    [state({ bytes: 1n << 63n }), /a size of/],
    [file("a.ibd", { nameBytes: 5 }), /a name of 5/],
    [file("a.ibd", { nameBytes: 0xffff_ffff }), /a name of 4294967295/],
    [file("a\0.ibd"), /does not end/],
    [file("a.ibd", { flags: 32 }), /file descriptor of 68/],
    [file("a.ibd", { size: 1n << 50n }), /a size of 1125899906842624/],
    [file("a.ibd", { lastChunk: 0xffff_ffff }), /8 to 4294967295/],
    [data({ chunk: 0 }), /chunk 0/],
    [data({ block: 0 }), /block 0/],
    [data({ length: 0x7fff_ffff }), /block of 2147483647/],
    [data({ offset: 1n << 60n }), /a size of/],
  ];
  for (const [bytes, message] of wrong) assert.throws(() => parseDescriptor(bytes, malformed), { message });
});

test("a state is acknowledged with its own bytes, and nothing but the mark of it", () => {
  const end = state({ flags: 0 });
  const acknowledged = acknowledgement(end);
  assert.equal(end.readUInt16BE(44), 0);
  assert.deepEqual([acknowledged.subarray(0, 44), acknowledged.readUInt16BE(44)], [end.subarray(0, 44), 2]);
});

test("a clone is asked for with a locator of nothing, and taken up with what arrived of it", () => {
  assert.deepEqual(versionLocator(), descriptor(1, 34));
  const locator = descriptor(1, 34);
  locator.writeBigUInt64BE(77n, 12);
  const restart = restartLocator(locator, {
    ...{ state: "page-copy", hasAllFiles: true, unfinishedChunks: [{ chunk: 33, lastBlock: 5 }] },
    receivedChunks: new Uint32Array([0xffff_ffff, 1]),
  });
  assert.equal(restart.readUInt32BE(4), restart.length);
  assert.equal(restart.readBigUInt64BE(12), 77n);
  assert.deepEqual([restart[32], restart[33]], [3, 1]);
  const words = Array.from({ length: (restart.length - 34) / 4 }, (_, index) => restart.readUInt32BE(34 + 4 * index));
  assert.deepEqual(words, [1, 33, 5, 2, 0xffff_ffff, 1]);
});
