import { notifications } from "@mantine/notifications";
import { queryClient } from "../api/query-client.ts";

/** Tells that something was done, and looks at everything anew. */
export function done(message: string): void {
  notifications.show({ message, color: "sea", withBorder: true });
  void queryClient.invalidateQueries();
}

export function failed(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  notifications.show({ title: "That did not work", message, color: "red", withBorder: true, autoClose: 10_000 });
}

/** Does something at once, and tells what came of it. */
export function act(message: string, action: () => Promise<unknown>): void {
  void attempt(message, action);
}

async function attempt(message: string, action: () => Promise<unknown>): Promise<void> {
  try {
    await action();
  } catch (error) {
    failed(error);
    return;
  }
  done(message);
}
