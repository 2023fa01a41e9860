import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { pageAlignedBuffer } from "../../platform/page-aligned-buffer.ts";
import { writeNewFile } from "./new-object-file.ts";

const mebibyte = 1024 * 1024;

async function written(context: TestContext, buffers: readonly Uint8Array[]): Promise<Buffer> {
  const directory = await mkdtemp(path.join(tmpdir(), "btar-test-"));
  context.after(() => rm(directory, { recursive: true }));
  const file = path.join(directory, "object");
  await writeNewFile(file, buffers, undefined);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  return await readFile(file);
}

test("a file holds its buffers one after the other, wherever in memory the first of them lies", async (context) => {
  const aligned = pageAlignedBuffer(3 * mebibyte);
  randomBytes(aligned.length).copy(aligned);
  const end = randomBytes(5000);
  for (const first of [
    aligned,
    aligned.subarray(0, 2 * mebibyte + 1),
    aligned.subarray(0, mebibyte - 1),
    aligned.subarray(512),
    aligned.subarray(1, 2 * mebibyte),
  ]) {
    assert.ok((await written(context, [first])).equals(first));
    assert.ok((await written(context, [first, end, aligned])).equals(Buffer.concat([first, end, aligned])));
  }
  assert.equal((await written(context, [])).length, 0);
  assert.ok((await written(context, [Buffer.alloc(0), end])).equals(end));
});
