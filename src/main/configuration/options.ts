/** What a value of the configuration file must be. */
export type OptionRule =
  | { readonly kind: "text" }
  | { readonly kind: "texts"; readonly orOne?: boolean }
  | { readonly kind: "number"; readonly min: number; readonly max: number; readonly isWhole: boolean }
  /** Bytes, such as `16MiB`. */
  | { readonly kind: "size"; readonly min: number; readonly max: number };

/** One option: reading, help and reference all go by this. */
export interface ConfigurationOption {
  readonly rule: OptionRule;
  /** What a value looks like. */
  readonly form: string;
  /** As it would be written in the file. Undefined: there is none, or `otherwise` says what is done without one. */
  readonly default?: string;
  readonly otherwise?: string;
  /** What it is, and its unit. */
  readonly text: string;
}

const wholeNumber = (min: number, max: number): OptionRule => ({ kind: "number", min, max, isWhole: true });
const anyNumber = (min: number, max: number): OptionRule => ({ kind: "number", min, max, isWhole: false });
const size = (min: number, max: number): OptionRule => ({ kind: "size", min, max });
const price = anyNumber(0, 1_000_000);
const text: OptionRule = { kind: "text" };

const mebibyte = 2 ** 20;
const knownClouds = "clouds of known providers have one";

/**
 * Every option of the configuration file, by its path. `NAME` stands for the name of a cloud, `VERSION` for a major
 * version of PostgreSQL, `PAIR` for two clouds.
 */
export const configurationOptions = {
  listen: { rule: text, form: "HOST:PORT", default: "127.0.0.1:8080", text: "where the API listens" },
  "tls.certificate": {
    rule: text,
    form: "PATH",
    otherwise: "the API speaks HTTP alone",
    text: "PEM of the API's certificate, then those between it and its authority; read again when it changes",
  },
  "tls.key": { rule: text, form: "PATH", otherwise: "none", text: "PEM of its private key" },
  trusted_proxies: {
    rule: { kind: "texts", orOne: true },
    form: "ADDRESS, NETWORK/BITS or [..., ...]",
    otherwise: "none",
    text: "proxies with TLS before the API: they alone reach it from other machines, and say whom they ask for",
  },
  data_dir: {
    rule: text,
    form: "PATH",
    otherwise: "./btar-data; as root, where servers cannot reach that, /var/lib/btar",
    text: "everything that btar keeps on this machine",
  },
  project: { rule: text, form: "NAME", default: "demo", text: "project that is made at the first start" },
  run_as: {
    rule: text,
    form: "USER",
    otherwise: "btar if there is such a user, else nobody",
    text: "system user of database servers when btar runs as root",
  },
  "clouds.NAME.store": {
    rule: text,
    form: "file:PATH or s3://BUCKET/PREFIX?region=REGION&endpoint=URL",
    otherwise: "each cloud needs one; without any clouds, local-north and local-south in data_dir",
    text: "object store of the cloud",
  },
  "clouds.NAME.description": { rule: text, form: "TEXT", otherwise: knownClouds, text: "for people" },
  "clouds.NAME.geo.latitude": { rule: anyNumber(-90, 90), form: "DEGREES", otherwise: knownClouds, text: "north" },
  "clouds.NAME.geo.longitude": { rule: anyNumber(-180, 180), form: "DEGREES", otherwise: knownClouds, text: "east" },
  "clouds.NAME.geo.region": { rule: text, form: "TEXT", default: "europe", text: "part of the world" },
  "clouds.NAME.credentials.access_key_id": {
    rule: text,
    form: "TEXT",
    otherwise: "found as the AWS tools do",
    text: "for an S3 store",
  },
  "clouds.NAME.credentials.secret_access_key": {
    rule: text,
    form: "TEXT",
    otherwise: "found as the AWS tools do",
    text: "for an S3 store; keep others from reading the file",
  },
  "clouds.NAME.credentials.session_token": { rule: text, form: "TEXT", otherwise: "none", text: "for an S3 store" },
  "services.listen": {
    rule: text,
    form: "ADDRESS",
    default: "127.0.0.1",
    text: "address that managed servers listen on",
  },
  "services.advertised_host": {
    rule: text,
    form: "HOST",
    otherwise: "services.listen",
    text: "host that clients are told to connect to",
  },
  "services.ports": { rule: text, form: "FIRST-LAST", default: "20000-20999", text: "ports of managed servers" },
  "backups.interval_hours": {
    rule: wholeNumber(1, 168),
    form: "HOURS",
    default: "24",
    text: "between base backups where a service does not say",
  },
  "backups.retention_days": {
    rule: wholeNumber(1, 3650),
    form: "DAYS",
    default: "2",
    text: "that backups are kept where neither service nor plan says",
  },
  "backups.leftover_hours": {
    rule: anyNumber(0, 8760),
    form: "HOURS",
    default: "1",
    text: "that files in a store are kept which no backup names",
  },
  "backups.compression_level": { rule: wholeNumber(1, 19), form: "LEVEL", default: "3", text: "of zstd" },
  "verification.interval_hours": {
    rule: wholeNumber(1, 8760),
    form: "HOURS",
    default: "24",
    text: "between checks that everything is in its store",
  },
  "verification.read_data_days": {
    rule: wholeNumber(1, 3650),
    form: "DAYS",
    default: "30",
    text: "in which all stored data is read once",
  },
  "verification.bytes_per_second": {
    rule: size(65_536, 2 ** 40),
    form: "SIZE",
    default: "32MiB",
    text: "that are read for it; a verification by hand reads as fast as it can",
  },
  "log.max_age_seconds": {
    rule: anyNumber(0.1, 3600),
    form: "SECONDS",
    default: "5",
    text: "a commit is stored at the latest after this",
  },
  "log.max_piece": {
    rule: size(64 * 2 ** 10, 64 * mebibyte),
    form: "SIZE",
    default: "8MiB",
    text: "largest piece of log; it is held in memory",
  },
  "limits.additional_clouds": { rule: wholeNumber(1, 20), form: "NUMBER", default: "3", text: "per service" },
  "limits.retained_log": {
    rule: size(mebibyte, 2 ** 50),
    form: "SIZE",
    default: "10GiB",
    text: "WAL or binlogs that a server holds back for btar before there is a warning",
  },
  "limits.disable_grace_hours": {
    rule: anyNumber(0, 8760),
    form: "HOURS",
    default: "24",
    text: "that copies are kept after their cloud was disabled",
  },
  "limits.delete_grace_hours": {
    rule: anyNumber(0, 8760),
    form: "HOURS",
    default: "72",
    text: "that backups are kept after their service was deleted",
  },
  "limits.lag_objective_seconds": {
    rule: wholeNumber(1, 2_592_000),
    form: "SECONDS",
    default: "900",
    text: "lag of a copy that raises an event",
  },
  "limits.region_change_hours": {
    rule: anyNumber(0, 8760),
    form: "HOURS",
    default: "0",
    text: "that must lie between two additions of an additional cloud to a service",
  },
  "limits.bandwidth.PAIR": {
    rule: size(1024, 2 ** 40),
    form: "FROM->TO: SIZE, such as aws-eu-west-1->aws-eu-central-1: 10MiB",
    otherwise: "as fast as it goes",
    text: "a second, of all that is copied from one cloud to the other; not of what an S3 service copies inside",
  },
  "notifications.allowed_networks": {
    rule: { kind: "texts", orOne: true },
    form: "ADDRESS, NETWORK/BITS or [..., ...]",
    otherwise: "addresses of the internet alone, with https",
    text: "networks around this machine that webhooks may reach, also with http",
  },
  "notifications.smtp.url": {
    rule: text,
    form: "smtp://HOST:PORT or smtps://HOST:PORT",
    otherwise: "no mail is sent",
    text: "server for mail; beyond this machine smtp needs STARTTLS",
  },
  "notifications.smtp.user": { rule: text, form: "TEXT", otherwise: "nobody logs in there", text: "its user" },
  "notifications.smtp.password": {
    rule: text,
    form: "TEXT",
    otherwise: "none",
    text: "its password; keep others from reading the file",
  },
  "notifications.smtp.from": {
    rule: text,
    form: "ADDRESS or NAME <ADDRESS>",
    otherwise: "needed with url",
    text: "sender",
  },
  "audit.retention_days": {
    rule: wholeNumber(30, 36_500),
    form: "DAYS",
    default: "400",
    text: "that the audit log is kept; at least 30",
  },
  "prices.currency": { rule: text, form: "TEXT", default: "USD", text: "of all prices; for `btar estimate`" },
  "prices.stored_gb_month": {
    rule: price,
    form: "NUMBER",
    otherwise: "not known",
    text: "of a GB (10^9 bytes) that a store holds for a month",
  },
  "prices.transferred_gb": {
    rule: price,
    form: "NUMBER",
    otherwise: "not known",
    text: "of a GB that is copied from one cloud to another",
  },
  "prices.stored.NAME": {
    rule: price,
    form: "CLOUD: NUMBER",
    otherwise: "prices.stored_gb_month",
    text: "the same, in the store of one cloud",
  },
  "prices.transferred.PAIR": {
    rule: price,
    form: "FROM->TO: NUMBER",
    otherwise: "prices.transferred_gb",
    text: "the same, from one cloud to another one",
  },
  "tracing.endpoint": {
    rule: text,
    form: "URL",
    otherwise: "none is told",
    text: "OpenTelemetry collector that traces of jobs are sent to, OTLP over HTTP, such as http://127.0.0.1:4318",
  },
  "engines.pg.VERSION.basedir": {
    rule: text,
    form: "PATH",
    otherwise: "btar's own, from npm packages",
    text: "directory that holds bin/postgres of that version",
  },
  "engines.mysql.basedir": {
    rule: { kind: "texts", orOne: true },
    form: "PATH or [PATH, …]",
    otherwise: "what scripts/servers/mysql.sh has loaded, then PATH",
    text: "directory that holds bin/mysqld; several for several versions",
  },
  "engines.mysql.clone": {
    rule: text,
    form: "auto, streaming or local",
    default: "auto",
    text: "who receives base backups: btar, a MySQL of the agent's host, or that where btar cannot",
  },
  "engines.mysql.clone_directory": {
    rule: text,
    form: "PATH",
    otherwise: "data_dir",
    text: "where such a MySQL puts all of a server's data meanwhile",
  },
  restore_roots: {
    rule: { kind: "texts" },
    form: "[PATH, …]",
    otherwise: "any that is empty or does not exist",
    text: "directories that `btar restore` may write below",
  },
} as const satisfies Record<string, ConfigurationOption>;

/** Environment variables that btar reads. */
export const environmentVariables: readonly { readonly name: string; readonly text: string }[] = [
  { name: "BTAR_CONFIG", text: "configuration file when --config is not given; else ./btar.yaml" },
  { name: "BTAR_DATABASE_URL", text: "PostgreSQL of the catalog; without it `btar up` runs its own" },
  { name: "BTAR_ADMIN_TOKEN", text: "first admin token instead of a random one; at least 24 characters" },
  {
    name: "BTAR_ADMIN_PASSWORD",
    text: "password of the first administrator, from now on; a random one at the first start",
  },
  { name: "BTAR_MASTER_KEY_FILE", text: "master key file; without it DATA_DIR/keys/master.key" },
  { name: "BTAR_MASTER_KEY", text: "the master key itself, where no file can hold it" },
  {
    name: "BTAR_KEY_PASSPHRASE_FILE",
    text: "file with the passphrase of a protected master key; else it is asked for",
  },
  { name: "BTAR_KEY_PASSPHRASE", text: "that passphrase itself; at the first start, the new key is protected by it" },
  { name: "BTAR_URL", text: "API that the client commands talk to" },
  { name: "BTAR_TOKEN", text: "token of the client commands" },
  { name: "BTAR_PASSWORD", text: "password for `btar login` and `btar user`, which else ask for it" },
  { name: "BTAR_NEW_PASSWORD", text: "the next password for `btar password`" },
  { name: "BTAR_CREDENTIALS_FILE", text: "where `btar login` keeps its token; else ~/.config/btar/credentials.json" },
  { name: "BTAR_PROFILE", text: "profile of the client commands, see `btar profile`" },
  { name: "BTAR_PROFILES_FILE", text: "where `btar profile` keeps profiles; else ~/.config/btar/profiles.json" },
  { name: "BTAR_PROJECT", text: "project of the client commands" },
];

/** The next words that may follow `path` in the file; undefined when a name of the user's choice does. */
export function keysBelow(path: string): readonly string[] | undefined {
  const prefix = path === "" ? "" : `${path}.`;
  const words = Object.keys(configurationOptions)
    .filter((key) => key.startsWith(prefix))
    .map((key) => key.slice(prefix.length).split(".")[0] ?? "");
  return words.includes("NAME") || words.includes("PAIR") ? undefined : [...new Set(words)];
}

/** The whole table as text, for `btar help configuration`. */
export function configurationHelp(): string {
  const all: readonly (readonly [string, ConfigurationOption])[] = Object.entries(configurationOptions);
  const width = Math.max(...all.map(([key]) => key.length));
  const options = all.flatMap(([key, option]) => {
    const without = option.default ?? option.otherwise;
    return [
      `  ${key.padEnd(width)}  ${option.text}`,
      `  ${"".padEnd(width)}  ${option.form}${without === undefined ? "" : `; default: ${without}`}`,
    ];
  });
  const variables = environmentVariables.map(({ name, text }) => `  ${name.padEnd(width)}  ${text}`);
  return `Configuration file, YAML:\n${options.join("\n")}\n\nEnvironment:\n${variables.join("\n")}\n`;
}
