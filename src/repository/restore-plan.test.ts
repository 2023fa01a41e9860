import assert from "node:assert/strict";
import { test } from "node:test";
import { type Extent, extentBytes, type FileMapGroup } from "./file-map.ts";
import { planRestoreRuns, type RestoredFile, spreadRuns } from "./restore-plan.ts";

const pack = {
  sha256: "a".repeat(64),
  session: "b".repeat(32),
  keyId: "c".repeat(16),
  fingerprints: { offset: 0, sealedBytes: 0, plainBytes: 0, sequence: 0 },
};

function blob(packNumber: number, offset: number, sealedBytes = 1000) {
  return { pack: packNumber, offset, sealedBytes, plainBytes: extentBytes, sequence: offset, firstFingerprint: 0 };
}

function whole(packNumber: number, offset: number, sealedBytes?: number): Extent {
  return { kind: "whole", plainBytes: extentBytes, blob: blob(packNumber, offset, sealedBytes) };
}

function delta(base: number, deltaPlace: number, deltaOffset: number): Extent {
  const { firstFingerprint: _, ...place } = blob(1, deltaPlace);
  const pages = { pages: [3], fingerprints: new BigUint64Array(1) };
  return { kind: "delta", plainBytes: extentBytes, base: blob(0, base), delta: place, deltaOffset, ...pages };
}

const hole: Extent = { kind: "hole", plainBytes: extentBytes };

function groupOf(...files: readonly (readonly Extent[])[]): FileMapGroup {
  const maps = files.map((extents) => ({ sizeBytes: extents.length * extentBytes, extents }));
  return { packs: [pack, { ...pack, sha256: "d".repeat(64) }], files: maps };
}

function filesOf(group: FileMapGroup): RestoredFile[] {
  return group.files.map(({ sizeBytes }, index) => ({ path: `/${index}`, mode: 0o600, sizeBytes, owner: undefined }));
}

test("blobs that lie close together are read at once, in their order, and each goes to its place", () => {
  const group = groupOf([whole(0, 5000), whole(0, 1000)], [whole(0, 3000)]);
  const [run, ...more] = planRestoreRuns(group, filesOf(group));
  assert.equal(more.length, 0);
  assert.deepEqual([run?.source?.offset, run?.source?.lengthBytes, run?.plainBytes], [1000, 5000, 3 * extentBytes]);
  const places = run?.extents.map(({ file, position, blob: read }) => [run.files[file]?.path, position, read?.offset]);
  assert.deepEqual(places, [
    ["/0", extentBytes, 0],
    ["/1", 0, 2000],
    ["/0", 0, 4000],
  ]);
});

test("reads end at gaps, at other packs, and where they would take too much memory", () => {
  const far = groupOf([whole(0, 0), whole(0, 400_000), whole(1, 401_000)]);
  assert.equal(planRestoreRuns(far, filesOf(far)).length, 3);
  const many = groupOf(Array.from({ length: 40 }, (_, index) => whole(0, index * 1000)));
  assert.deepEqual(
    planRestoreRuns(many, filesOf(many)).map(({ extents }) => extents.length),
    [16, 16, 8],
  );
  const large = groupOf(Array.from({ length: 10 }, (_, index) => whole(0, index * 2 ** 20, 2 ** 20)));
  assert.equal(planRestoreRuns(large, filesOf(large)).length, 2);
});

test("extents that share a delta are restored together, so that it is opened once", () => {
  const group = groupOf([delta(1000, 0, 0), whole(0, 2000), delta(3000, 0, 8192), delta(4000, 50_000, 0)]);
  const runs = planRestoreRuns(group, filesOf(group));
  assert.deepEqual(
    runs.map((run) => [run.delta?.blob.offset, run.extents.map(({ delta: over }) => over?.offset)]),
    [
      [undefined, [undefined]],
      [0, [0, 8192]],
      [50_000, [0]],
    ],
  );
});

test("zeros are not written to new files, but over what differs; files without content are made", () => {
  const group = groupOf([hole, whole(0, 0)], [hole], []);
  const fresh = planRestoreRuns(group, filesOf(group));
  assert.deepEqual(
    fresh.map(({ extents, files }) => [extents.length, files.map(({ path }) => path)]),
    [
      [1, ["/0"]],
      [0, ["/1", "/2"]],
    ],
  );
  const over = planRestoreRuns(group, filesOf(group), (file) => file === 1);
  assert.deepEqual(
    over.map(({ source, extents }) => [source, extents.map(({ position, blob: read }) => [position, read])]),
    [[undefined, [[0, undefined]]]],
  );
});

test("runs are dealt out so that neighbours come apart, and none is lost", () => {
  const group = groupOf(Array.from({ length: 7 }, (_, index) => whole(0, index * 1_000_000)));
  const runs = planRestoreRuns(group, filesOf(group));
  for (const ways of [1, 2, 3, 10]) {
    const spread = spreadRuns(runs, ways);
    assert.deepEqual(new Set(spread), new Set(runs));
    assert.equal(spread.length, runs.length);
  }
  assert.deepEqual(
    spreadRuns(runs, 2).map(({ source }) => (source?.offset ?? 0) / 1_000_000),
    [0, 4, 1, 5, 2, 6, 3],
  );
});
