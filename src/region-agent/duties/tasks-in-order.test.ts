import assert from "node:assert/strict";
import { test } from "node:test";
import { SharedRoom, TasksInOrder } from "./tasks-in-order.ts";

function steps() {
  const tasks = new Map<string, PromiseWithResolvers<string>>();
  const begin = (name: string) => async () => {
    const step = Promise.withResolvers<string>();
    tasks.set(name, step);
    return await step.promise;
  };
  return {
    begin,
    begun: () => [...tasks.keys()],
    end: async (name: string) => {
      tasks.get(name)?.resolve(name);
      await new Promise(setImmediate);
    },
    fail: async (name: string) => {
      tasks.get(name)?.reject(new Error(`${name} failed`));
      await new Promise(setImmediate);
    },
  };
}

test("results are delivered in order, those that are ready together at once", async () => {
  const { begin, end } = steps();
  const delivered: (readonly string[])[] = [];
  const tasks = new TasksInOrder<string>({
    room: new SharedRoom(2),
    deliver: async (results) => {
      delivered.push(results);
    },
  });
  for (const name of ["a", "b", "c"]) await tasks.add(begin(name));
  await end("b");
  await end("c");
  assert.deepEqual(delivered, []);
  await end("a");
  assert.deepEqual(delivered, [["a", "b", "c"]]);
  assert.equal(tasks.isIdle, true);
});

test("beside the first, no more tasks run than there is room for, shared with others", async () => {
  const { begin, begun, end } = steps();
  const room = new SharedRoom(1);
  const [one, other] = [room, room].map(
    (shared) => new TasksInOrder<string>({ room: shared, deliver: async () => undefined }),
  );
  assert.ok(one && other);
  await one.add(begin("a"));
  await one.add(begin("b"));
  await other.add(begin("x"));
  const waiting = other.add(begin("y"));
  await new Promise(setImmediate);
  assert.deepEqual(begun(), ["a", "b", "x"]);
  await end("x");
  await waiting;
  assert.deepEqual(begun(), ["a", "b", "x", "y"]);
});

test("nothing is delivered from a task that failed on, its error is thrown, and its room is given back", async () => {
  const { begin, end, fail } = steps();
  const room = new SharedRoom(2);
  const delivered: string[] = [];
  const tasks = new TasksInOrder<string>({
    room,
    deliver: async (results) => {
      delivered.push(...results);
    },
  });
  for (const name of ["a", "b", "c"]) await tasks.add(begin(name));
  await fail("b");
  await end("c");
  await end("a");
  await assert.rejects(tasks.add(begin("d")), /b failed/);
  await assert.rejects(tasks.finish(), /b failed/);
  assert.deepEqual(delivered, []);
  await tasks.close();
  assert.deepEqual([room.tryTake(), room.tryTake(), room.tryTake()], [true, true, false]);
});
