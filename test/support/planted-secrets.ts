import { globSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { openAuthorityKey, openServiceSecrets, openUserPassword } from "../../src/catalog/service-secrets.ts";
import { embeddedCatalogUrl } from "../../src/main/embedded-catalog.ts";
import { FileObjectStore } from "../../src/object-store/file/file-object-store.ts";
import { loadDataKeys } from "../../src/repository/data-keys.ts";

/** A secret, by what it is. */
export type Secrets = Map<string, string>;

/** A text that secrets are looked for in, by where it is from. */
export interface SearchedText {
  readonly where: string;
  readonly text: string;
}

const shortestSecret = 8;

/** Every secret that an installation with an embedded catalog holds, in the clear: its master key opens them. */
export async function secretsOf(dataDirectory: string): Promise<Secrets> {
  const read = (name: string) => readFileSync(join(dataDirectory, name), "utf8").trim();
  const secrets: Secrets = new Map([
    ["master key", read("keys/master.key")],
    ["admin token", read("admin-token")],
    ["admin password", read("admin-password")],
  ]);
  const masterKey = Buffer.from(read("keys/master.key"), "hex");
  const catalog = JSON.parse(read("catalog.json")) as { readonly password: string; readonly privateKey: string };
  secrets.set("catalog password", catalog.password);
  secrets.set("catalog key", keyLine(catalog.privateKey));
  const rows = await catalogRows(dataDirectory);
  for (const { name = "", sealed_ca_key = "" } of rows["public.project"] ?? []) {
    secrets.set(`authority key of ${name}`, keyLine(openAuthorityKey(masterKey, name, sealed_ca_key)));
  }
  for (const { id = "", name = "", sealed_secrets = "" } of rows["public.service"] ?? []) {
    const found = openServiceSecrets(masterKey, id, sealed_secrets);
    secrets.set(`admin password of ${name} (${id})`, found.adminPassword);
    secrets.set(`internal password of ${name} (${id})`, found.internalPassword);
    if (found.tlsPrivateKey !== undefined) secrets.set(`TLS key of ${name} (${id})`, keyLine(found.tlsPrivateKey));
  }
  for (const { service_id: serviceId = "", name = "", sealed_password = "" } of rows["public.service_user"] ?? []) {
    const password = openUserPassword(masterKey, { serviceId, name }, sealed_password);
    secrets.set(`password of ${name} of ${serviceId}`, password);
  }
  for (const folder of globSync("clouds/*/store", { cwd: dataDirectory })) {
    const store = new FileObjectStore(join(dataDirectory, folder));
    for (const serviceId of await store.listFolders("")) {
      const keys = await loadDataKeys(store, serviceId, masterKey);
      if (keys) secrets.set(`data key of ${serviceId}`, keys.current.bytes.toString("hex"));
    }
  }
  return new Map([...secrets].filter(([, secret]) => secret.length >= shortestSecret));
}

/** A line from the middle of a PEM: what stands in its first and last ones may stand elsewhere. */
function keyLine(pem: string): string {
  return pem.trim().split("\n")[2] ?? pem.trim();
}

type CatalogRow = Readonly<Record<string, string | undefined>>;

/** All tables of the catalog, those of the job queue too, as a dump of it would have them. */
export async function catalogRows(dataDirectory: string): Promise<Readonly<Record<string, readonly CatalogRow[]>>> {
  const client = new pg.Client({ connectionString: await embeddedCatalogUrl(dataDirectory) });
  await client.connect();
  try {
    const tables = await client.query<{ name: string }>(
      `select format('%I.%I', table_schema, table_name) as name from information_schema.tables
         where table_schema in ('public', 'pgboss') and table_type = 'BASE TABLE'`,
    );
    const rows: Record<string, readonly CatalogRow[]> = {};
    for (const { name } of tables.rows) {
      rows[name] = (await client.query<CatalogRow>(`select * from ${name}`)).rows;
    }
    return rows;
  } finally {
    await client.end();
  }
}

/** What is in the files of a folder and below. */
export function filesBelow(directory: string, pattern: string): readonly SearchedText[] {
  return globSync(pattern, { cwd: directory, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => ({ where: file, text: readFileSync(file, "latin1") }));
}

/** A process starts as a copy of its parent: its command line is its own a moment later. */
const looksPerProcess = 3;

/** Looks again and again at the command lines of all processes of this machine. */
export class CommandLines {
  readonly #seen = new Set<string>();
  readonly #timer: NodeJS.Timeout;
  /** How often those that run were looked at. */
  #looks: ReadonlyMap<number, number> = new Map();

  constructor() {
    this.#timer = setInterval(() => this.#look(), 100);
  }

  stop(): readonly SearchedText[] {
    clearInterval(this.#timer);
    return [...this.#seen].map((text) => ({ where: `command line ${text.slice(0, 60)}`, text }));
  }

  #look(): void {
    const looks = new Map(processIds().map((pid) => [pid, (this.#looks.get(pid) ?? 0) + 1]));
    this.#looks = looks;
    for (const [pid, count] of looks) if (count <= looksPerProcess) this.#seen.add(processFile(pid, "cmdline"));
  }
}

/** The environments of those processes whose command line tells that they are meant. */
export function environmentsOf(isMeant: (commandLine: string) => boolean): readonly SearchedText[] {
  return processIds()
    .filter((pid) => isMeant(processFile(pid, "cmdline")))
    .map((pid) => ({ where: `environment of process ${pid}`, text: processFile(pid, "environ") }));
}

function processIds(): readonly number[] {
  return readdirSync("/proc").map(Number).filter(Number.isInteger);
}

function processFile(pid: number, name: "cmdline" | "environ"): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8").replaceAll("\0", " ");
  } catch {
    return ""; // gone meanwhile, or somebody else's
  }
}

/** Which secret was found where, with a piece of the text around it, in which it is not repeated. */
export function foundSecrets(secrets: Secrets, texts: readonly SearchedText[]): readonly string[] {
  return [...secrets].flatMap(([name, secret]) =>
    texts.flatMap(({ where, text }) => {
      const at = text.indexOf(secret);
      return at < 0 ? [] : [`${name} in ${where}: …${text.slice(Math.max(0, at - 80), at)}`];
    }),
  );
}
