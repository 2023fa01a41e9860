import { randomBytes } from "node:crypto";
import path from "node:path";
import mysql from "mysql2";
import { unlinkIfThere, writeFileDurably } from "../../../platform/files.ts";
import type { RunAs } from "../../run-as.ts";
import type { ServerAccounts } from "../../server.ts";
import { adminHost } from "./admin-interface.ts";
import type { ServerDirectory } from "./directory.ts";

/** Who comes by the socket file. */
export const socketHost = "localhost";
/** btar's own account comes by the socket file and, when the server is full, by its interface for administrators. */
export const internalHosts: readonly string[] = [socketHost, adminHost];

/**
 * Statements, one a line, that make the internal account, or give it its password and rights again. Nobody who is not
 * SYSTEM_USER can change it.
 */
export function internalAccountStatements(
  { name, password }: ServerAccounts["internal"],
  hosts: readonly string[] = [socketHost],
): readonly string[] {
  const secret = mysql.format("IDENTIFIED WITH caching_sha2_password BY ?", [password]);
  return [
    "SET SESSION sql_mode = ''", // quotes and backslashes mean what `format` thinks
    ...hosts.flatMap((host) => {
      const account = mysql.format("?@?", [name, host]);
      return [
        `CREATE USER IF NOT EXISTS ${account} ${secret}`,
        `ALTER USER ${account} ${secret} REQUIRE NONE ACCOUNT UNLOCK PASSWORD EXPIRE NEVER`,
        `GRANT ALL ON *.* TO ${account} WITH GRANT OPTION`,
      ];
    }),
  ];
}

/**
 * Hands statements to a server that is being started, as its `--init-file`: it runs them with all rights.
 * @param act starts the server with the option, and waits until it has read the file
 */
export async function withInitFile<T>(
  place: { readonly directory: ServerDirectory; readonly runAs: RunAs | undefined },
  statements: readonly string[],
  act: (option: string) => Promise<T>,
): Promise<T> {
  const file = path.join(place.directory.root, `init.${randomBytes(6).toString("hex")}.tmp`);
  try {
    const text = statements.map((statement) => `${statement};\n`).join("");
    await writeFileDurably(file, text, { mode: 0o600, owner: place.runAs });
    return await act(`--init-file=${file}`);
  } finally {
    await unlinkIfThere(file);
  }
}
