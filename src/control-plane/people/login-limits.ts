import { BtarError } from "../../domain/errors.ts";
import type { Clock } from "../../platform/clock.ts";

const windowMs = 15 * 60_000;

/** So many failed attempts are taken within the window: of one e-mail from one address, from an address, of an e-mail. */
const limits = { pair: 10, address: 100, email: 100 } as const;

/** More keys than this are not remembered: the oldest are forgotten first. */
const maxKeys = 50_000;

interface Attempts {
  count: number;
  readonly untilMs: number;
}

/** Who tries to log in. */
export interface LoginAttempt {
  readonly email: string;
  /** IP address. */
  readonly address: string;
}

/** Keeps passwords from being guessed. Each server counts for itself. */
export class LoginLimits {
  readonly #clock: Clock;
  readonly #attempts = new Map<string, Attempts>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Counts an attempt as failed, before it is looked at: else many at once would not count.
   * @returns takes it back, when it has succeeded
   * @throws {BtarError} TOO_MANY_ATTEMPTS
   */
  begin(attempt: LoginAttempt): () => void {
    const keys = keysOf(attempt);
    const now = this.#clock.now().getTime();
    const counted = keys.map(({ key, limit }) => ({ attempts: this.#attemptsOf(key, now), limit }));
    const spent = counted.filter(({ attempts, limit }) => attempts.count >= limit);
    if (spent.length > 0) throw tooMany(Math.max(...spent.map(({ attempts }) => attempts.untilMs)) - now);
    for (const { attempts } of counted) attempts.count += 1;
    return () => {
      for (const { attempts } of counted) attempts.count -= 1;
      const [pair] = keys;
      if (pair) this.#attempts.delete(pair.key);
    };
  }

  #attemptsOf(key: string, now: number): Attempts {
    const known = this.#attempts.get(key);
    if (known && known.untilMs > now) return known;
    const fresh = { count: 0, untilMs: now + windowMs };
    // Once more at the end, where the newest are.
    this.#attempts.delete(key);
    this.#attempts.set(key, fresh);
    const [oldest] = this.#attempts.keys();
    if (this.#attempts.size > maxKeys && oldest !== undefined) this.#attempts.delete(oldest);
    return fresh;
  }
}

function keysOf({ email, address }: LoginAttempt): readonly { readonly key: string; readonly limit: number }[] {
  return [
    { key: `${networkOf(address)} ${email.toLowerCase()}`, limit: limits.pair },
    { key: `from ${networkOf(address)}`, limit: limits.address },
    { key: `of ${email.toLowerCase()}`, limit: limits.email },
  ];
}

/** Of IPv6, whoever has an address usually has the 2^64 around it, too. */
function networkOf(address: string): string {
  if (!address.includes(":") || address.includes(".")) return address;
  const [before = "", after] = address.split("::");
  const [head, tail] = [before, after ?? ""].map((part) => part.split(":").filter((group) => group !== ""));
  const groups = [...(head ?? [])];
  if (after !== undefined) while (groups.length + (tail?.length ?? 0) < 8) groups.push("0");
  return [...groups, ...(tail ?? [])].slice(0, 4).join(":");
}

function tooMany(waitMs: number): BtarError {
  return new BtarError("TOO_MANY_ATTEMPTS", {
    message: "Too many failed attempts to log in",
    hint: `try again in ${Math.ceil(waitMs / 60_000)} min`,
    details: { retryAfterSeconds: Math.ceil(waitMs / 1000) },
  });
}
