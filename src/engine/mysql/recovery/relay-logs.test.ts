import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { rejectsWith } from "../../../../test/support/assert-error.ts";
import { BinlogWriter } from "../../../../test/support/binlog-files.ts";
import { temporaryDirectory } from "../../../../test/support/temporary-directory.ts";
import type { RecoveryPlan } from "../../engine.ts";
import { packPosition } from "../binlog/binlog-position.ts";
import { readRelayedLog, relayIndexName, RelayLogRestorer } from "./relay-logs.ts";

const uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const stream = `${uuid}.69A0F3C1-00000000`;
const log = { stream, start: packPosition({ file: 7, offset: 0 }), end: packPosition({ file: 7, offset: 200 }) };
const everything: RecoveryPlan = { pieces: [], stopBefore: undefined, lastCommitMicros: undefined };

function writerOf(...numbers: readonly number[]): BinlogWriter {
  const writer = new BinlogWriter();
  for (const number of numbers) {
    writer.transaction({ gtid: { uuid, number }, commitMicros: 1000 + number, bodies: [Buffer.alloc(100)] });
  }
  return writer;
}

/** Hands a file on in pieces, each of which repeats some bytes of the one before. */
async function give(restorer: RelayLogRestorer, file: number, bytes: Buffer): Promise<void> {
  for (let offset = 0; offset < bytes.length; offset += 90) {
    await restorer.write(stream, packPosition({ file, offset }), bytes.subarray(offset, offset + 100));
  }
}

test("files of the source become relay logs, byte for byte, with all that tells a replica of them", async (context) => {
  const directory = await temporaryDirectory(context);
  const files = [writerOf(1, 2), writerOf(3)] as const;
  const restorer = new RelayLogRestorer(directory, { log }, everything);
  files[0].rotate("binlog.000008");
  for (const [index, writer] of files.entries()) await give(restorer, 7 + index, writer.bytes());
  await restorer.write(stream, packPosition({ file: 8, offset: files[1].offset }), Buffer.alloc(0));
  await restorer.finish();
  const relayed = await readRelayedLog(directory);
  assert.deepEqual(
    { ...relayed, gtids: relayed.gtids.format() },
    {
      files: ["btar-relay.000001", "btar-relay.000002"],
      gtids: `${uuid}:1-3`,
      transactionCount: 3,
      bytes: files[0].offset + files[1].offset,
      end: packPosition({ file: 8, offset: files[1].offset }),
      lastCommitMicros: 1003n,
      lastGtid: `${uuid}:3`,
      events: [],
      namesDirectories: false,
    },
  );
  for (const [index, name] of relayed.files.entries()) {
    assert.ok((await readFile(path.join(directory, name))).equals(files[index]?.bytes() ?? Buffer.alloc(0)), name);
  }
  const index = await readFile(path.join(directory, relayIndexName), "utf8");
  assert.equal(index, "./btar-relay.000001\n./btar-relay.000002\n");
});

test("F4: nothing is left from where the recovery stops on, nor of a transaction that is not all there", async (context) => {
  const directory = await temporaryDirectory(context);
  const writer = writerOf(1, 2, 3);
  const [, second, third] = writer.transactions;
  const position = packPosition({ file: 7, offset: third?.start ?? 0 });
  const plan = { ...everything, stopBefore: { stream, position } };
  const restorer = new RelayLogRestorer(directory, { log }, plan);
  await give(restorer, 7, writer.bytes());
  await give(restorer, 8, writerOf(4).bytes());
  await restorer.finish();
  assert.equal((await readRelayedLog(directory)).end, position);

  // What the first attempt has left is not replayed.
  const again = new RelayLogRestorer(directory, { log }, everything);
  await give(again, 7, writer.bytes().subarray(0, (second?.end ?? 0) - 1));
  await again.finish();
  const relayed = await readRelayedLog(directory);
  assert.equal(relayed.gtids.format(), `${uuid}:1`);
  assert.deepEqual(relayed.files, ["btar-relay.000001"]);
  const left = (await readdir(directory)).filter((name) => /relay\.\d/.test(name));
  assert.deepEqual(left, relayed.files);
  const { length } = await readFile(path.join(directory, "btar-relay.000001"));
  assert.equal(length, second?.start);
});

test("log that is missing in the middle is refused", async (context) => {
  const directory = await temporaryDirectory(context);
  const restorer = new RelayLogRestorer(directory, { log }, everything);
  const bytes = writerOf(1).bytes();
  await restorer.write(stream, packPosition({ file: 7, offset: 0 }), bytes.subarray(0, 50));
  await rejectsWith("LOG_GAP", () => restorer.write(stream, packPosition({ file: 7, offset: 60 }), bytes.subarray(60)));
});
