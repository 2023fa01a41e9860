import { createServer } from "node:net";

/** A port of this host that nobody listens on, now. @returns undefined when there is none */
export async function freePort(host: string): Promise<number | undefined> {
  return await listenOnce(0, host);
}

export async function isPortFree(port: number, host: string): Promise<boolean> {
  return (await listenOnce(port, host)) !== undefined;
}

/** @returns the port listened on, which is free again then; undefined when it is not free */
async function listenOnce(port: number, host: string): Promise<number | undefined> {
  const listener = createServer();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  listener.once("error", () => resolve(false)).listen({ port, host, exclusive: true }, () => resolve(true));
  if (!(await promise)) return undefined;
  const address = listener.address();
  await new Promise((closed) => listener.close(closed));
  return typeof address === "object" && address !== null ? address.port : undefined;
}
