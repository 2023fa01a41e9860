import { type EngineName, engineNames } from "./engine-name.ts";
import { BtarError } from "./errors.ts";

type TlsMode = "disable" | "require" | "verify-ca" | "verify-full";

/** The parts of a database's connection URI. */
export interface ServiceUri {
  readonly engine: EngineName;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string | undefined;
  /** Empty when a MySQL URI names none. */
  readonly database: string;
  readonly tlsMode: TlsMode;
}

/** How the clients of an engine write URIs. */
interface UriForm {
  readonly protocols: readonly string[];
  readonly text: string;
  readonly port: number;
  readonly database: string;
  readonly tlsParameter: string;
  readonly tlsModes: ReadonlyMap<string, TlsMode>;
}

const forms: Readonly<Record<EngineName, UriForm>> = {
  pg: {
    protocols: ["postgres:", "postgresql:"],
    text: "postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full",
    port: 5432,
    database: "postgres",
    tlsParameter: "sslmode",
    tlsModes: new Map([
      ["disable", "disable"],
      ["require", "require"],
      ["verify-ca", "verify-ca"],
      ["verify-full", "verify-full"],
    ]),
  },
  mysql: {
    protocols: ["mysql:"],
    text: "mysql://USER:PASSWORD@HOST:PORT/DATABASE?ssl-mode=VERIFY_IDENTITY",
    port: 3306,
    database: "",
    tlsParameter: "ssl-mode",
    tlsModes: new Map([
      ["DISABLED", "disable"],
      ["REQUIRED", "require"],
      ["VERIFY_CA", "verify-ca"],
      ["VERIFY_IDENTITY", "verify-full"],
    ]),
  },
};

/** What a URI looks like, for people: one form for each engine. */
export const serviceUriForms = Object.values(forms)
  .map(({ text }) => text)
  .join(" or ");

/**
 * Reads the URI of a database to attach; what it begins with tells the engine. Without `sslmode` (MySQL: `ssl-mode`)
 * the certificate is verified, except on this host.
 * @throws {BtarError} INVALID_SERVICE_URI; the message never holds the password
 */
export function parseServiceUri(text: string): ServiceUri {
  const refuse = (what: string, wanted = serviceUriForms) =>
    new BtarError("INVALID_SERVICE_URI", { message: what, hint: `give ${wanted}` });
  if (!URL.canParse(text)) throw refuse("the service's URI does not read as one");
  const url = new URL(text);
  const engine = engineNames.find((name) => forms[name].protocols.includes(url.protocol));
  if (!engine) throw refuse(`the service's URI starts with ${url.protocol}//, which is no engine that can be attached`);
  const form = forms[engine];
  const refusePart = (what: string) => refuse(`the service's URI ${what}`, form.text);
  if (url.hostname === "") throw refusePart("names no host");
  if (url.username === "") throw refusePart("names no user");
  for (const key of url.searchParams.keys()) {
    if (key !== form.tlsParameter) throw refusePart(`has the parameter ${key}; only ${form.tlsParameter} is known`);
  }
  const decoded = (part: string) => {
    try {
      return decodeURIComponent(part);
    } catch {
      throw refusePart("has a % that does not begin an escape such as %40");
    }
  };
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const asked = url.searchParams.get(form.tlsParameter);
  // MySQL's clients take the words in lower case, too.
  const tlsMode =
    asked === null ? defaultTlsMode(host) : (form.tlsModes.get(asked) ?? form.tlsModes.get(asked.toUpperCase()));
  if (!tlsMode) {
    const known = [...form.tlsModes.keys()].join(", ");
    throw refusePart(`has the ${form.tlsParameter} "${asked}", which is not one of ${known}`);
  }
  return {
    engine,
    host,
    port: url.port === "" ? form.port : Number(url.port),
    user: decoded(url.username),
    password: url.password === "" ? undefined : decoded(url.password),
    database: decoded(url.pathname.slice(1)) || form.database,
    tlsMode,
  };
}

function defaultTlsMode(host: string): TlsMode {
  return isLoopback(host) ? "disable" : "verify-full";
}

/** Whether a host is this one, by a name or address that no network carries. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\./.test(host);
}
