import { copyFile, mkdir, readlink, realpath, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { mysqlBasedir } from "./mysql-server.ts";
import { ownByServerUser } from "./postgres-server.ts";

/** What tests load, and what keeps keys in a file. */
const libraries = ["mysql_clone.so", "component_keyring_file.so"];

/**
 * Makes a folder with MySQL's programs whose servers have a keyring of their own, a file that is empty at first: which
 * keyring they load, servers read where their program is.
 * @param directory a new one, that servers can reach
 */
export async function basedirWithKeyring(directory: string): Promise<string> {
  const original = await mysqlBasedir();
  const basedir = path.join(directory, "basedir");
  const [bin, plugins, keys] = [
    path.join(basedir, "bin"),
    path.join(basedir, "lib/plugin"),
    path.join(directory, "keys"),
  ];
  for (const each of [bin, plugins, keys]) await mkdir(each, { recursive: true });
  await ownByServerUser(keys);
  await symlink(path.join(original, "../usr"), path.join(directory, "usr"));
  await symlink(await realpath(path.join(original, "share")), path.join(basedir, "share"));
  await copyFile(path.join(original, "bin/mysqld"), path.join(bin, "mysqld"));
  for (const program of ["mysql", "mysqlbinlog"]) {
    await symlink(await readlink(path.join(original, "bin", program)), path.join(bin, program));
  }
  for (const library of libraries) {
    await symlink(await realpath(path.join(original, "lib/plugin", library)), path.join(plugins, library));
  }
  await writeFile(path.join(bin, "mysqld.my"), JSON.stringify({ components: "file://component_keyring_file" }));
  const settings = { path: path.join(keys, "keyring"), read_only: false };
  await writeFile(path.join(plugins, "component_keyring_file.cnf"), JSON.stringify(settings));
  return basedir;
}
