import assert from "node:assert/strict";
import { test } from "node:test";
import { packPosition } from "./binlog-position.ts";
import { StoredLogPurge } from "./stored-log-purge.ts";

const clock = { nowSeconds: 10_000, keepSeconds: 600 };

function purgeOf(...files: readonly (readonly [file: number, createdSeconds: number])[]): StoredLogPurge {
  const purge = new StoredLogPurge("binlog");
  for (const [file, createdSeconds] of files) purge.begun({ file, createdSeconds });
  return purge;
}

test("P5: only files that are stored to their end are removed from the server", () => {
  const purge = purgeOf([3, 1000], [4, 2000], [5, 3000]);
  assert.equal(purge.due(clock), undefined);
  purge.stored(packPosition({ file: 3, offset: 500 }));
  assert.equal(purge.due(clock), 3); // what came before it
  purge.stored(packPosition({ file: 4, offset: 0 }));
  assert.equal(purge.due(clock), 4);
  assert.equal(purge.due(clock), undefined);
});

test("files stay for as long as the server is to keep them, counted from their end", () => {
  const purge = purgeOf([3, 1000], [4, 9400], [5, 9401]);
  purge.stored(packPosition({ file: 5, offset: 4 }));
  assert.equal(purge.due(clock), 4);
  assert.equal(purge.due({ ...clock, nowSeconds: 10_001 }), 5);
});
