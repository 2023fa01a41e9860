import type { ReadyMessage, StopMessage } from "./agent-process.ts";

/** How an agent is told to end. */
export type StopOrder = Omit<StopMessage, "kind">;

/**
 * The stop order: from the parent, or by a signal when the agent runs on its own; then servers go on, and are adopted
 * at the next start. To be called first of all, so that nothing that comes meanwhile is missed.
 */
export async function stopOrder(): Promise<StopOrder> {
  const { promise, resolve } = Promise.withResolvers<StopOrder>();
  if (process.send === undefined) {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.once(signal, () => resolve({ stopServers: false }));
    }
    return await promise;
  }
  process.on("message", (message: StopMessage) => {
    if (message.kind === "stop") resolve({ stopServers: message.stopServers });
  });
  // The parent is gone, however it ended: nothing must go on that nobody watches.
  process.once("disconnect", endWithParent);
  if (!process.connected) endWithParent();
  // A Ctrl-C in the terminal reaches the parent too, which then says how to end.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
  return await promise;
}

/** Tells the parent, if there is one, that the agent works. */
export function tellParent(): void {
  process.send?.({ kind: "ready" } satisfies ReadyMessage);
}

/** Lets go of the parent: the channel to it would keep this process alive. */
export function leaveParent(): void {
  process.removeListener("disconnect", endWithParent);
  if (process.connected) process.disconnect();
}

function endWithParent(): void {
  process.exit(1);
}
