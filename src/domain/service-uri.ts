import { BtarError } from "./errors.ts";

/** The parts of a database's connection URI. */
export interface ServiceUri {
  readonly engine: "pg";
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string | undefined;
  readonly database: string;
  readonly tlsMode: "disable" | "require" | "verify-ca" | "verify-full";
}

const modes = ["disable", "require", "verify-ca", "verify-full"] as const;
const form = "postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full";

/**
 * Reads the URI of a database to attach. Without `sslmode` the certificate is verified, except on this host.
 * @throws {BtarError} INVALID_SERVICE_URI; the message never holds the password
 */
export function parseServiceUri(text: string): ServiceUri {
  const refuse = (what: string) => new BtarError("INVALID_SERVICE_URI", { message: what, hint: `give ${form}` });
  if (!URL.canParse(text)) throw refuse("the service's URI does not read as one");
  const url = new URL(text);
  if (url.protocol !== "postgres:" && url.protocol !== "postgresql:") {
    throw refuse(`the service's URI starts with ${url.protocol}//, which is no engine that can be attached`);
  }
  if (url.hostname === "") throw refuse("the service's URI names no host");
  if (url.username === "") throw refuse("the service's URI names no user");
  for (const key of url.searchParams.keys()) {
    if (key !== "sslmode") throw refuse(`the service's URI has the parameter ${key}; only sslmode is known`);
  }
  const decoded = (part: string) => {
    try {
      return decodeURIComponent(part);
    } catch {
      throw refuse("the service's URI has a % that does not begin an escape such as %40");
    }
  };
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const asked = url.searchParams.get("sslmode") ?? (isLoopback(host) ? "disable" : "verify-full");
  const tlsMode = modes.find((mode) => mode === asked);
  if (!tlsMode) throw refuse(`sslmode "${asked}" is not one of ${modes.join(", ")}`);
  return {
    engine: "pg",
    host,
    port: url.port === "" ? 5432 : Number(url.port),
    user: decoded(url.username),
    password: url.password === "" ? undefined : decoded(url.password),
    database: decoded(url.pathname.slice(1)) || "postgres",
    tlsMode,
  };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\./.test(host);
}
