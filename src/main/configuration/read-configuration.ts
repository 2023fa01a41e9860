import { isIP } from "node:net";
import { resolve } from "node:path";
import { LineCounter, parseDocument } from "yaml";
import type { BtarConfiguration, CloudConfiguration } from "../../contract/configuration.ts";
import { isCloudName } from "../../domain/cloud.ts";
import { BtarError, isBtarError } from "../../domain/errors.ts";
import { parseStoreUrl } from "../../object-store/open-object-store.ts";
import { readBandwidth } from "./read-bandwidth.ts";
import { readPrices } from "./read-prices.ts";
import { readNetworks, readNotifications } from "./read-notifications.ts";
import { ConfigurationSection } from "./section.ts";

export interface ReadOptions {
  /** For messages. */
  readonly file: string;
  /** Relative paths are taken from here. */
  readonly baseDirectory: string;
  /** `data_dir` when the file does not say. */
  readonly defaultDataDirectory: string;
  /** Whether the API may listen beyond this machine, though it has no TLS. */
  readonly allowsInsecureListen: boolean;
}

/** A checked configuration, and what only its file tells. */
export interface ReadConfiguration {
  readonly configuration: BtarConfiguration;
  readonly isDataDirectoryGiven: boolean;
  /** `FILE:LINE:COLUMN` of the stores, by cloud; nothing for the default clouds. */
  readonly storePlaces: ReadonlyMap<string, string>;
}

const postgresVersions = ["14", "15", "16", "17", "18"];

/**
 * Reads a configuration file, checks all of it, and fills defaults in.
 * @throws {BtarError} INVALID_CONFIGURATION with file, line, column, what is wrong, and what is accepted
 */
export function readConfiguration(text: string, options: ReadOptions): ReadConfiguration {
  const root = parseRoot(text, options.file);
  const dataDirectory = resolve(options.baseDirectory, root.text("data_dir") ?? options.defaultDataDirectory);
  const { clouds, storePlaces } = readClouds(root.section("clouds"), { ...options, dataDirectory });
  const services = root.section("services");
  const listenHost = required(services, "listen");
  const configuration: BtarConfiguration = {
    listen: readListen(root, options),
    tls: readTls(root.section("tls"), options.baseDirectory),
    trustedProxies: readNetworks(root, "trusted_proxies"),
    dataDirectory,
    project: readProject(root),
    clouds,
    runAs: root.text("run_as"),
    services: {
      listenHost,
      advertisedHost: services.text("advertised_host") ?? listenHost,
      ports: readPorts(services),
    },
    ...readNumbers(
      root,
      clouds.map(({ name }) => name),
    ),
    notifications: readNotifications(root.section("notifications")),
    audit: { retentionDays: requiredNumber(root.section("audit"), "retention_days") },
    prices: readPrices(
      root.section("prices"),
      clouds.map(({ name }) => name),
    ),
    tracing: { endpoint: readEndpoint(root.section("tracing")) },
    engines: readEngines(root.section("engines"), options.baseDirectory),
    restoreRoots: root.texts("restore_roots")?.map((path) => resolve(options.baseDirectory, path)),
  };
  return { configuration, isDataDirectoryGiven: root.has("data_dir"), storePlaces };
}

function parseRoot(text: string, file: string): ConfigurationSection {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false });
  const [syntax] = document.errors;
  if (!syntax) return new ConfigurationSection({ file, lines }, document.contents);
  const { line, col } = lines.linePos(syntax.pos[0]);
  const isDuplicate = syntax.code === "DUPLICATE_KEY";
  throw new BtarError("INVALID_CONFIGURATION", {
    message: `${file}:${line}:${col}: ${isDuplicate ? "this key is there twice" : syntax.message}`,
    hint: isDuplicate ? "keep one of them" : "mend the YAML there",
  });
}

function readNumbers(
  root: ConfigurationSection,
  clouds: readonly string[],
): Pick<BtarConfiguration, "backups" | "verification" | "log" | "limits"> {
  const [backups, verification] = [root.section("backups"), root.section("verification")];
  const [log, limits] = [root.section("log"), root.section("limits")];
  return {
    backups: {
      intervalHours: requiredNumber(backups, "interval_hours"),
      retentionDays: requiredNumber(backups, "retention_days"),
      leftoverHours: requiredNumber(backups, "leftover_hours"),
      compressionLevel: requiredNumber(backups, "compression_level"),
    },
    verification: {
      intervalHours: requiredNumber(verification, "interval_hours"),
      readDataDays: requiredNumber(verification, "read_data_days"),
      bytesPerSecond: verification.size("bytes_per_second"),
    },
    log: { maxAgeSeconds: requiredNumber(log, "max_age_seconds"), maxPieceBytes: log.size("max_piece") },
    limits: {
      additionalClouds: requiredNumber(limits, "additional_clouds"),
      retainedLogBytes: limits.size("retained_log"),
      disableGraceHours: requiredNumber(limits, "disable_grace_hours"),
      deleteGraceHours: requiredNumber(limits, "delete_grace_hours"),
      lagObjectiveSeconds: requiredNumber(limits, "lag_objective_seconds"),
      regionChangeHours: requiredNumber(limits, "region_change_hours"),
      bandwidth: readBandwidth(limits.section("bandwidth"), clouds),
    },
  };
}

function readListen(root: ConfigurationSection, options: ReadOptions): BtarConfiguration["listen"] {
  const text = required(root, "listen");
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]:|([^:[\]]*):)?(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (!(port <= 65535)) {
    throw root.refuseAt("listen", { what: `listen is "${text}"`, hint: "give HOST:PORT, such as 127.0.0.1:8080" });
  }
  const host = bracketed ?? (plain || "127.0.0.1");
  const isEncrypted = root.section("tls").isGiven || readNetworks(root, "trusted_proxies").length > 0;
  if (isLoopback(host) || isEncrypted || options.allowsInsecureListen) return { host, port };
  throw root.refuseAt("listen", {
    what: `listen is "${text}", beyond this machine, where tokens would travel unencrypted`,
    hint:
      "give it a certificate (tls.certificate and tls.key), or name the proxy with TLS before it (trusted_proxies), " +
      "or say --insecure-listen if nobody else is on that network",
  });
}

function readTls(tls: ConfigurationSection, baseDirectory: string): BtarConfiguration["tls"] {
  if (!tls.isGiven) return undefined;
  const [certificate, key] = [tls.text("certificate"), tls.text("key")];
  if (certificate !== undefined && key !== undefined) {
    return { certificate: resolve(baseDirectory, certificate), key: resolve(baseDirectory, key) };
  }
  const missing = certificate === undefined ? "certificate" : "key";
  throw tls.refuseAt(undefined, { what: `tls has no ${missing}`, hint: `name its PEM file with tls.${missing}` });
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

function readProject(root: ConfigurationSection): string {
  const name = required(root, "project");
  if (/^[a-z][-a-z0-9]{0,62}$/.test(name)) return name;
  throw root.refuseAt("project", {
    what: `project is "${name}"`,
    hint: "give a lower-case letter, then letters, digits and dashes; at most 63",
  });
}

function readPorts(services: ConfigurationSection): BtarConfiguration["services"]["ports"] {
  const text = required(services, "ports");
  const [, first, last] = /^(\d{1,5})-(\d{1,5})$/.exec(text) ?? [];
  const range = { first: Number(first), last: Number(last) };
  if (range.first >= 1024 && range.last <= 65535 && range.first <= range.last) return range;
  throw services.refuseAt("ports", {
    what: `services.ports is "${text}"`,
    hint: "give FIRST-LAST, from 1024 to 65535, such as 20000-20999",
  });
}

function readEngines(engines: ConfigurationSection, baseDirectory: string): BtarConfiguration["engines"] {
  const mysql = engines.section("mysql");
  const cloneDirectory = mysql.text("clone_directory");
  return {
    pg: readBasedirs(engines.section("pg"), baseDirectory),
    mysql: {
      basedirs: (mysql.texts("basedir") ?? []).map((path) => resolve(baseDirectory, path)),
      clone: readClone(mysql),
      cloneDirectory: cloneDirectory === undefined ? undefined : resolve(baseDirectory, cloneDirectory),
    },
  };
}

/** A collector's address alone means its path for traces. */
function readEndpoint(tracing: ConfigurationSection): string | undefined {
  const text = tracing.text("endpoint");
  if (text === undefined) return undefined;
  const url = URL.parse(text);
  if (url?.protocol !== "http:" && url?.protocol !== "https:") {
    throw tracing.refuseAt("endpoint", {
      what: `tracing.endpoint is "${text}"`,
      hint: "give a URL, such as http://127.0.0.1:4318",
    });
  }
  return url.pathname === "/" ? new URL("/v1/traces", url).href : url.href;
}

function readClone(mysql: ConfigurationSection): BtarConfiguration["engines"]["mysql"]["clone"] {
  const text = required(mysql, "clone");
  if (text === "auto" || text === "streaming" || text === "local") return text;
  throw mysql.refuseAt("clone", {
    what: `engines.mysql.clone is "${text}"`,
    hint: "give auto, streaming (by btar alone), or local (by a MySQL of the agent's host)",
  });
}

function readBasedirs(pg: ConfigurationSection, baseDirectory: string): BtarConfiguration["engines"]["pg"] {
  const entries = pg.named("VERSION").map(([version, section]) => {
    if (!postgresVersions.includes(version)) {
      throw pg.refuseAt(version, {
        what: `engines.pg.${version} is no version that btar knows`,
        hint: `versions are ${postgresVersions.join(", ")}`,
      });
    }
    const basedir = section.text("basedir");
    if (basedir !== undefined) return [version, { basedir: resolve(baseDirectory, basedir) }] as const;
    throw pg.refuseAt(version, {
      what: `engines.pg.${version} has no basedir`,
      hint: `give the directory that holds bin/postgres, such as /usr/lib/postgresql/${version}`,
    });
  });
  return Object.fromEntries(entries);
}

interface ReadClouds {
  readonly clouds: readonly CloudConfiguration[];
  readonly storePlaces: ReadonlyMap<string, string>;
}

function readClouds(
  section: ConfigurationSection,
  options: ReadOptions & { readonly dataDirectory: string },
): ReadClouds {
  if (!section.isGiven) return { clouds: defaultClouds(options.dataDirectory), storePlaces: new Map() };
  const entries = section.named("NAME");
  if (entries.length === 0) {
    throw section.refuseAt(undefined, { what: "clouds names none", hint: "name at least one, with its store" });
  }
  const clouds: CloudConfiguration[] = [];
  const storePlaces = new Map<string, string>();
  for (const [name, cloud] of entries) {
    const read = readCloud(cloud, name, options);
    const other = clouds.find(({ storeUrl }) => storeUrl === read.storeUrl);
    if (other) {
      throw cloud.refuseAt("store", {
        what: `clouds.${name} and clouds.${other.name} have the same store, ${read.storeUrl}`,
        hint: "a copy in the same store would be none: give each cloud its own",
      });
    }
    clouds.push(read);
    storePlaces.set(name, cloud.place("store"));
  }
  return { clouds, storePlaces };
}

function readCloud(cloud: ConfigurationSection, name: string, options: ReadOptions): CloudConfiguration {
  if (!isCloudName(name)) {
    throw cloud.refuseAt(undefined, {
      what: `"${name}" cannot name a cloud`,
      hint: "give PROVIDER-REGION in lower case, such as aws-eu-west-1 or local-north",
    });
  }
  const store = cloud.text("store");
  if (store === undefined) {
    throw cloud.refuseAt(undefined, {
      what: `clouds.${name} has no store`,
      hint: "give store: file:PATH or store: s3://BUCKET/PREFIX?region=REGION",
    });
  }
  return {
    name,
    storeUrl: readStoreUrl(cloud, store, options.baseDirectory),
    storeCredentials: readCredentials(cloud.section("credentials"), name),
    description: cloud.text("description"),
    geo: readGeo(cloud.section("geo"), name),
  };
}

/** In one spelling, so that two that are the same are equal. */
function readStoreUrl(cloud: ConfigurationSection, text: string, baseDirectory: string): string {
  try {
    return parseStoreUrl(text, { baseDirectory }).url;
  } catch (error) {
    if (!isBtarError(error)) throw error;
    throw cloud.refuseAt("store", { what: error.message, hint: error.hint ?? "give file:PATH or s3://BUCKET/PREFIX" });
  }
}

function readCredentials(section: ConfigurationSection, cloud: string): CloudConfiguration["storeCredentials"] {
  if (!section.isGiven) return undefined;
  const accessKeyId = section.text("access_key_id");
  const secretAccessKey = section.text("secret_access_key");
  const sessionToken = section.text("session_token");
  if (accessKeyId !== undefined && secretAccessKey !== undefined) {
    return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
  }
  throw section.refuseAt(undefined, {
    what: `clouds.${cloud}.credentials are not complete`,
    hint: "give access_key_id and secret_access_key, or leave credentials out",
  });
}

function readGeo(section: ConfigurationSection, cloud: string): CloudConfiguration["geo"] {
  if (!section.isGiven) return undefined;
  const latitude = section.number("latitude");
  const longitude = section.number("longitude");
  if (latitude !== undefined && longitude !== undefined) {
    return { latitude, longitude, region: required(section, "region") };
  }
  throw section.refuseAt(undefined, {
    what: `clouds.${cloud}.geo is not complete`,
    hint: "give latitude and longitude",
  });
}

/** Two folders of this machine, which stand for two regions. */
function defaultClouds(dataDirectory: string): readonly CloudConfiguration[] {
  return ["local-north", "local-south"].map((name) => ({
    name,
    storeUrl: `file:${resolve(dataDirectory, "clouds", name, "store")}`,
    storeCredentials: undefined,
    description: `This machine, ${name.slice("local-".length)}`,
    geo: undefined,
  }));
}

/** The text of an option that has a default. */
function required(section: ConfigurationSection, key: string): string {
  return section.text(key) ?? hasNoDefault(key);
}

function requiredNumber(section: ConfigurationSection, key: string): number {
  return section.number(key) ?? hasNoDefault(key);
}

function hasNoDefault(key: string): never {
  throw new BtarError("INTERNAL", { message: `configuration option ${key} has no default` });
}
