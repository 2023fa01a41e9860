import type { KeyMessage, ReadyMessage, StopMessage } from "./agent-process.ts";

/** How an agent is told to end. */
export type StopOrder = Omit<StopMessage, "kind">;

/** What an agent hears from the process that started it. */
export interface Parent {
  /** From the parent, or by a signal when the agent runs on its own; then servers go on, and are adopted at the next start. */
  readonly stopOrder: Promise<StopOrder>;
  /** 32 bytes; undefined when the agent has to find the master key itself. */
  readonly masterKey: Promise<Buffer> | undefined;
}

/** Begins to listen. To be called first of all, so that nothing that comes meanwhile is missed. */
export function hearParent(): Parent {
  const stop = Promise.withResolvers<StopOrder>();
  if (process.send === undefined) {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.once(signal, () => stop.resolve({ stopServers: false }));
    }
    return { stopOrder: stop.promise, masterKey: undefined };
  }
  const key = Promise.withResolvers<Buffer>();
  process.on("message", (message: StopMessage | KeyMessage) => {
    if (message.kind === "stop") stop.resolve({ stopServers: message.stopServers });
    if (message.kind === "key") key.resolve(Buffer.from(message.masterKey, "hex"));
  });
  // The parent is gone, however it ended: nothing must go on that nobody watches.
  process.once("disconnect", endWithParent);
  if (!process.connected) endWithParent();
  // A Ctrl-C in the terminal reaches the parent too, which then says how to end.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
  const isKeyGiven = process.env[keyFromParent] !== undefined;
  return { stopOrder: stop.promise, masterKey: isKeyGiven ? key.promise : undefined };
}

/** Variable that says that the parent sends the key: no other program sees what goes through the channel. */
export const keyFromParent = "BTAR_KEY_FROM_PARENT";

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
