import assert from "node:assert/strict";
import { test } from "node:test";
import { lsnToSortable } from "../../../domain/lsn.ts";
import { routeOfWal } from "./wal-route.ts";

const segmentBytes = 16 * 1024 * 1024;
const mib = 1024n * 1024n;
const at = (position: bigint) => lsnToSortable(position);
const stream = (timeline: number) => `7-0000000${timeline}`;

function route(stopMib: bigint, histories: Readonly<Record<number, string>> = {}, timelines = [1]) {
  return routeOfWal({
    stop: { stream: stream(1), position: at(stopMib * mib) },
    segmentBytes,
    streams: [...timelines.map(stream), "8-00000009"].map((name) => ({ stream: name })),
    history: new Map(
      Object.entries(histories).map(([timeline, text]) => [stream(Number(timeline)), Buffer.from(text)]),
    ),
  });
}

test("a server that stayed on its timeline is followed from the stop on, read from 64 MiB before it", () => {
  assert.deepEqual(route(100n), {
    legs: [{ stream: stream(1), from: at(36n * mib), start: at(100n * mib), until: undefined }],
    leftAt: undefined,
  });
  assert.equal(route(20n).legs[0]?.from, at(0n));
});

test("a server that was promoted later is followed through its timelines, each from the segment of the switch", () => {
  // 100, 120 and 130 MiB
  const third = "1\t0/6400000\tx\n2\t0/7800000\tx\n";
  assert.deepEqual(route(90n, { 2: "1\t0/6400000\tx\n", 3: third }, [1, 2, 3]), {
    legs: [
      { stream: stream(1), from: at(26n * mib), start: at(90n * mib), until: at(100n * mib) },
      { stream: stream(2), from: at(96n * mib), start: at(100n * mib), until: at(120n * mib) },
      { stream: stream(3), from: at(112n * mib), start: at(120n * mib), until: undefined },
    ],
    leftAt: undefined,
  });
});

test("a server that left the fork's history before its stop is followed from where it left", () => {
  assert.deepEqual(route(110n, { 2: "1\t0/6400000\tx\n" }, [1, 2]), {
    legs: [{ stream: stream(2), from: at(96n * mib), start: at(100n * mib), until: undefined }],
    leftAt: { stream: stream(1), position: at(100n * mib) },
  });
});

test("timelines that do not come from the fork's are not followed, nor those whose history is not stored", () => {
  assert.equal(route(90n, { 3: "2\t0/6400000\tx\n" }, [1, 2, 3]).legs.length, 1);
  assert.equal(route(90n, {}, [1, 2]).legs.length, 1);
});
