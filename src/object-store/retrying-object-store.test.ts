import assert from "node:assert/strict";
import { test } from "node:test";
import { rejectsWith } from "../../test/support/assert-error.ts";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { FaultObjectStore } from "../../test/support/fault-object-store.ts";
import type { ErrorCode } from "../domain/errors.ts";
import { MemoryObjectStore } from "./memory/memory-object-store.ts";
import { type RetryingOptions, RetryingObjectStore, type StoreWait } from "./retrying-object-store.ts";

const body = Buffer.from("some bytes");

async function given(options: Pick<RetryingOptions, "maxWaitMs"> = {}) {
  const fault = new FaultObjectStore(new MemoryObjectStore());
  for (const key of ["a/1", "a/2", "a/3", "a/4"]) await fault.put(key, body);
  const clock = new FakeClock();
  const waits: StoreWait[] = [];
  const seen = { recoveries: 0 };
  const store = new RetryingObjectStore(fault, {
    clock,
    onWaiting: (wait) => waits.push(wait),
    onRecovered: () => {
      seen.recoveries += 1;
    },
    ...options,
  });
  return { fault, clock, waits, seen, store };
}

/** Lets a call run until it waits, and then to its next try. */
async function passWait({ clock, waits }: { readonly clock: FakeClock; readonly waits: readonly StoreWait[] }) {
  await asleep(clock);
  await clock.advance(leftMs(clock, waits));
}

function leftMs(clock: FakeClock, waits: readonly StoreWait[]): number {
  return (waits.at(-1)?.nextTryAt.getTime() ?? 0) - clock.now().getTime();
}

async function asleep(clock: FakeClock): Promise<void> {
  while (clock.sleeping === 0) await new Promise<void>((resolve) => setImmediate(resolve));
}

for (const code of ["STORE_UNREACHABLE", "STORE_FULL", "STORE_REFUSED"] as const satisfies readonly ErrorCode[]) {
  test(`C5: a call waits while the store fails with ${code}, tells why, and then succeeds`, async () => {
    const { fault, clock, waits, seen, store } = await given();
    fault.failWith(code);
    const put = store.put("new", body);
    for (let wait = 0; wait < 3; wait += 1) await passWait({ clock, waits });
    await asleep(clock);
    fault.heal();
    await passWait({ clock, waits });
    assert.equal(await put, "stored");
    assert.deepEqual(
      waits.map(({ attempt }) => attempt),
      [1, 2, 3, 4],
    );
    assert.equal(waits[0]?.reason, "memory:store fails on purpose: put new");
    assert.equal(seen.recoveries, 1);
  });
}

test("waits grow from half a second to half a minute, less a random part", async () => {
  const { fault, clock, waits, store } = await given();
  fault.failWith("STORE_UNREACHABLE");
  const controller = new AbortController();
  const get = rejectsWith("CANCELLED", () => store.get("a/1", { signal: controller.signal }));
  const lengths: number[] = [];
  for (let wait = 0; wait < 9; wait += 1) {
    await asleep(clock);
    lengths.push(leftMs(clock, waits));
    if (wait < 8) await clock.advance(lengths.at(-1) ?? 0);
  }
  controller.abort();
  await get;
  for (const [index, fullMs] of [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000].entries()) {
    const length = lengths[index] ?? 0;
    assert.ok(length >= fullMs / 2 && length <= fullMs, `wait ${index + 1}: ${length} ms`);
  }
});

test("a call is given up with the last error when its longest wait is over", async () => {
  const { fault, clock, waits, store } = await given({ maxWaitMs: 60_000 });
  fault.failWith("STORE_FULL");
  const put = rejectsWith("STORE_FULL", () => store.put("new", body));
  let isOver = false;
  void put.finally(() => {
    isOver = true;
  });
  const startMs = clock.now().getTime();
  while (!isOver) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (clock.sleeping > 0) await clock.advance(leftMs(clock, waits));
  }
  await put;
  assert.equal(clock.now().getTime() - startMs, 60_000);
});

test("what waiting does not mend fails at once", async () => {
  const { fault, store, waits } = await given();
  await rejectsWith("INVALID_INPUT", () => store.get("../a"));
  fault.failWith("OBJECT_DAMAGED");
  await rejectsWith("OBJECT_DAMAGED", () => store.get("a/1"));
  assert.equal(waits.length, 0);
});

test("a list goes on after the last object that it delivered", async () => {
  const { fault, clock, waits, seen, store } = await given();
  // The call itself and two objects go well.
  fault.failWith("STORE_UNREACHABLE", { operations: ["list"], afterCalls: 3 });
  const found: string[] = [];
  const listed = (async () => {
    for await (const { key } of store.list("a/")) found.push(key);
  })();
  await asleep(clock);
  assert.deepEqual(found, ["a/1", "a/2"]);
  // Objects before the place where it stopped are not asked for again.
  await fault.store.delete("a/1");
  fault.heal();
  await passWait({ clock, waits });
  await listed;
  assert.deepEqual(found, ["a/1", "a/2", "a/3", "a/4"]);
  assert.equal(seen.recoveries, 1);
});

test("a copy goes inside the service also between two patient stores, and waits for the source too", async () => {
  const source = await given();
  const { store, clock, waits } = await given();
  await source.fault.put("only/there", body);
  source.fault.failWith("STORE_UNREACHABLE");
  const copy = store.copyFrom(source.store, "only/there");
  await passWait({ clock, waits });
  await asleep(clock);
  source.fault.heal();
  await passWait({ clock, waits });
  assert.equal(await copy, "stored");
});

test("a store that stalls is left when the signal fires", async () => {
  const { fault, store } = await given();
  fault.stall();
  const controller = new AbortController();
  const calls = [
    store.get("a/1", { signal: controller.signal }),
    store.put("new", body, { signal: controller.signal }),
    store.listFolders("", { signal: controller.signal }),
  ];
  controller.abort();
  for (const call of calls) await rejectsWith("CANCELLED", () => call);
});
