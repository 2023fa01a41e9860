/**
 * Ports for the servers of tests. Several test files run at once: each process has blocks of ports of its own, which it
 * holds by listening on the first of each, so that no other process takes what it has chosen and not yet used.
 */
import { once } from "node:events";
import { createServer, type Server } from "node:net";

/** Below those that Ceph takes by itself (scripts/servers/s3-ceph.sh), and that systems give to outgoing connections. */
const [firstPort, lastPort, portsEach] = [10_000, 29_999, 200];
const blockCount = (lastPort + 1 - firstPort) / portsEach;

/** What is left of the block that was claimed last. */
let left = { next: 0, end: 0 };
/** Not all processes try the same block first. */
let nextBlock = process.pid % blockCount;
let choosing: Promise<unknown> = Promise.resolve();

/** A TCP port of 127.0.0.1 that nothing listens on, and that is given to nobody else while this process runs. */
export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  return port;
}

/** The first and the last of `count` ports in a row, 199 at most, of which at least the first is free. */
export async function freePorts(count: number): Promise<[number, number]> {
  const chosen = choosing.then(() => choose(count));
  choosing = chosen.catch(() => undefined);
  return await chosen;
}

async function choose(count: number): Promise<[number, number]> {
  if (count >= portsEach) throw new Error(`${count} ports in a row are more than a block has`);
  for (;;) {
    if (left.next + count > left.end) left = await claimBlock();
    const first = left.next;
    left.next += count;
    const probe = await listening(first);
    probe?.close();
    if (probe) await once(probe, "close");
    if (probe) return [first, first + count - 1];
  }
}

async function claimBlock(): Promise<{ next: number; end: number }> {
  for (let tries = 0; tries < blockCount; tries += 1) {
    const start = firstPort + nextBlock * portsEach;
    nextBlock = (nextBlock + 1) % blockCount;
    const claim = await listening(start);
    claim?.unref(); // it ends with this process
    if (claim) return { next: start + 1, end: start + portsEach };
  }
  throw new Error(`no block of ports from ${firstPort} to ${lastPort} is free`);
}

/** @returns undefined when something listens there already */
async function listening(port: number): Promise<Server | undefined> {
  const server = createServer();
  try {
    await once(server.listen({ port, host: "127.0.0.1", exclusive: true }), "listening");
    return server;
  } catch {
    return undefined;
  }
}
