import type { CloudStatus, Location, Protection } from "../api/types.ts";

/** How safe a service is in another region; the worst first. */
export const levels = ["lost", "risk", "none", "catching", "building", "safe"] as const;
export type Level = (typeof levels)[number];

export interface Verdict {
  readonly level: Level;
  /** Such as `at risk`. */
  readonly words: string;
  /** Since when it is at risk. */
  readonly since: Date | undefined;
  /** Why, for people. */
  readonly reason: string;
}

/** Less lag than this is what a copy under load always has. */
const catchingUpSeconds = 60;

export interface VerdictOptions {
  readonly clouds: readonly CloudStatus[];
  readonly lagObjectiveSeconds: number;
  readonly now: Date;
}

/** Is a service safe in a second region? */
export function verdictOf(service: Protection, options: VerdictOptions): Verdict {
  const wanted = service.locations.filter(({ role, state }) => role === "secondary" && state !== "deleting");
  const home = options.clouds.find(({ cloud_name }) => cloud_name === service.cloud_name);
  if (home && !home.is_up) return regionDown(service, home, wanted);
  if (service.state === "REBUILDING") return verdict("building", "being built", service.trouble ?? "not running yet");
  if (wanted.length === 0) {
    return verdict("none", "not protected", "there is no copy in another region");
  }
  const verdicts = wanted.map((location) => ofLocation(location, options));
  return (
    verdicts.toSorted((a, b) => levels.indexOf(b.level) - levels.indexOf(a.level))[0] ??
    verdict("none", "not protected", "")
  );
}

function regionDown(service: Protection, home: CloudStatus, wanted: readonly Location[]): Verdict {
  const since = home.down_since === null ? undefined : new Date(home.down_since);
  const copy = wanted.find(({ recovery_window }) => recovery_window !== null);
  const reason = copy
    ? `${service.cloud_name} is down; it can be forked in ${copy.cloud}`
    : `${service.cloud_name} is down, and there is no copy that could be restored`;
  return {
    level: "lost",
    words: "region down",
    since,
    reason,
  };
}

function ofLocation(location: Location, { clouds, lagObjectiveSeconds, now }: VerdictOptions): Verdict {
  const { cloud, replication_lag_seconds: lag, rpo_seconds: rpo, recovery_window: window, verification } = location;
  const place = clouds.find(({ cloud_name }) => cloud_name === cloud);
  const since = lag ? new Date(now.getTime() - lag * 1000) : undefined;
  if (!window) {
    if (location.paused) return verdict("none", "not protected", `copying to ${cloud} is paused, and nothing is there`);
    const why =
      place?.is_up === false
        ? `${cloud} is down: ${place.trouble}`
        : (location.trouble ?? `the first copy is on its way to ${cloud}`);
    return verdict(
      place?.is_up === false ? "risk" : "catching",
      place?.is_up === false ? "at risk" : "catching up",
      why,
    );
  }
  if (place?.is_up === false) {
    return {
      level: "risk",
      words: "at risk",
      since: since ?? new Date(window.latest_at),
      reason: `${cloud} is down: ${place.trouble}`,
    };
  }
  if (verification.damaged.some(({ kind }) => kind !== "stray")) {
    return verdict("risk", "at risk", `${verification.damaged.length} stored objects are damaged in ${cloud}`);
  }
  if (location.paused) {
    return {
      level: "risk",
      words: "at risk",
      since,
      reason: `copying to ${cloud} is paused: ${location.pause_reason ?? ""}`,
    };
  }
  if (location.is_behind) {
    return { level: "risk", words: "at risk", since, reason: location.trouble ?? `${cloud} has fallen behind` };
  }
  if ((rpo ?? 0) > Math.max(lagObjectiveSeconds, catchingUpSeconds)) {
    return {
      level: "risk",
      words: "at risk",
      since: new Date(window.latest_at),
      reason: `nothing newer than that could be restored in ${cloud}`,
    };
  }
  if ((lag ?? 0) > catchingUpSeconds) {
    return {
      level: "catching",
      words: "catching up",
      since,
      reason: location.trouble ?? `${cloud} is being caught up`,
    };
  }
  return verdict("safe", "protected", `copy in ${cloud}`);
}

function verdict(level: Level, words: string, reason: string): Verdict {
  return { level, words, since: undefined, reason };
}
