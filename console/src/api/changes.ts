import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import type { Static } from "typebox";
import type { change } from "../../../src/contract/changes.ts";
import { path, sessionHeaders } from "./client.ts";

type Change = Static<typeof change>;

/** A burst of changes is looked at once. */
const gatherMs = 1000;
const pollMs = 5000;
const longestPauseMs = 20_000;

/**
 * Keeps what is shown of a project up to date: by the stream of changes, and where there is none, by asking again.
 * @returns whether the stream is open
 */
export function useChanges(project: string): boolean {
  const client = useQueryClient();
  const [isLive, setLive] = useState(false);
  useEffect(() => {
    const abort = new AbortController();
    const gathered = new Set<string>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const refresh = () => {
      timer = undefined;
      for (const key of gathered) {
        const wanted = JSON.parse(key) as readonly unknown[];
        void client.invalidateQueries(
          wanted.at(-1) === "jobs" ? { predicate: isOfJobs(project) } : { queryKey: wanted },
        );
      }
      gathered.clear();
    };
    const gather = (keys: readonly (readonly unknown[])[]) => {
      for (const key of keys) gathered.add(JSON.stringify(key));
      timer ??= setTimeout(refresh, gatherMs);
    };
    void listen(project, {
      signal: abort.signal,
      opened: () => {
        setLive(true);
        gather([["project", project]]);
      },
      changed: (news) => gather(keysOf(project, news)),
      closed: () => setLive(false),
    });
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [client, project]);
  useEffect(() => {
    if (isLive) return undefined;
    const timer = setInterval(() => void client.invalidateQueries({ queryKey: ["project", project] }), pollMs);
    return () => clearInterval(timer);
  }, [client, project, isLive]);
  return isLive;
}

/** Jobs of the project, and of each service. */
function isOfJobs(project: string) {
  return ({ queryKey }: { readonly queryKey: readonly unknown[] }) =>
    queryKey[1] === project && queryKey.at(-1) === "jobs";
}

function keysOf(project: string, { services, clouds, jobs, events }: Change): readonly (readonly unknown[])[] {
  const keys: unknown[][] = services.map((name) => ["project", project, "service", name]);
  if (services.length > 0 || clouds) keys.push(["project", project, "status"]);
  if (jobs) keys.push(["project", project, "jobs"]);
  if (events) keys.push(["project", project, "events"]);
  return keys;
}

interface Listening {
  readonly signal: AbortSignal;
  readonly opened: () => void;
  readonly changed: (change: Change) => void;
  readonly closed: () => void;
}

/** Reads the stream until the signal, beginning anew when it breaks. */
async function listen(project: string, { signal, opened, changed, closed }: Listening): Promise<void> {
  for (let pauseMs = 1000; !signal.aborted; pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
    try {
      const response = await fetch(`/v1${path`/project/${project}/btar/changes`}`, { headers: sessionHeaders, signal });
      if (response.ok && response.body) {
        opened();
        pauseMs = 1000;
        for await (const text of messages(response.body)) changed(JSON.parse(text) as Change);
      }
    } catch {
      // Broken, or refused: polling takes its place until the next attempt.
    }
    if (signal.aborted) return;
    closed();
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

/** The data of each message of server-sent events. */
async function* messages(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const parts = text.split("\n\n");
    text = parts.pop() ?? "";
    for (const part of parts) {
      const data = part.split("\n").find((line) => line.startsWith("data: "));
      if (data !== undefined) yield data.slice("data: ".length);
    }
  }
}
