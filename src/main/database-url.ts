import { BtarError } from "../domain/errors.ts";

/** @returns the catalog's database that BTAR_DATABASE_URL names; undefined when it names none */
export function databaseUrl(): string | undefined {
  const url = process.env["BTAR_DATABASE_URL"];
  return url === "" ? undefined : url;
}

/** @param who for the message: `an agent` */
export function requireDatabaseUrl(who: string): string {
  const url = databaseUrl();
  if (url !== undefined) return url;
  throw new BtarError("INVALID_CONFIGURATION", {
    message: `${who} needs the catalog's database`,
    hint: "set BTAR_DATABASE_URL, or run `btar up`, which brings its own",
  });
}
