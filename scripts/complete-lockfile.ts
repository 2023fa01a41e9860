/**
 * Adds what npm leaves out of package-lock.json: optional packages of other platforms that the registry in use does not
 * serve. Without their entries `npm ci` refuses the lockfile on every platform. Run it after `npm install NAME`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

interface LockedPackage {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

const systems = ["android", "darwin", "freebsd", "linux", "openharmony", "win32"];
const processors = ["arm", "arm64", "ia32", "ppc64", "riscv64", "s390x", "x64"];

const file = join(dirname(import.meta.dirname), "package-lock.json");
const lock = JSON.parse(readFileSync(file, "utf8")) as { packages: Record<string, LockedPackage> };
const added: string[] = [];

for (const [parent, locked] of Object.entries(lock.packages)) {
  for (const [name, wanted] of Object.entries(locked.optionalDependencies ?? {})) {
    const place = `node_modules/${name}`;
    if (lock.packages[place] || lock.packages[`${parent}/${place}`]) continue;
    lock.packages[place] = entryOf(name, wanted, locked.dev === true);
    added.push(name);
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(file, `${JSON.stringify(lock, undefined, 2)}\n`);
process.stdout.write(added.length === 0 ? "nothing was missing\n" : `added ${added.length}: ${added.join(", ")}\n`);

/** The platform is in the name, so that npm passes such a package over where it does not belong. */
function entryOf(name: string, wanted: string, isDevelopment: boolean): LockedPackage {
  const [, alias, aliasVersion] = /^npm:(.+)@([^@]+)$/.exec(wanted) ?? [];
  const parts = name.split(/[-/]/);
  const os = systems.filter((system) => parts.includes(system));
  const cpu = processors.filter((processor) => parts.includes(processor));
  return {
    ...(alias === undefined ? {} : { name: alias }),
    version: aliasVersion ?? wanted,
    ...(cpu.length > 0 ? { cpu } : {}),
    ...(isDevelopment ? { dev: true } : {}),
    ...(parts.includes("musl") || parts.includes("musleabihf") ? { libc: ["musl"] } : {}),
    optional: true,
    ...(os.length > 0 ? { os } : {}),
  };
}
