import { copyFile, mkdir, readlink, realpath, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { mysqlBasedir } from "./mysql-server.ts";
import { ownByServerUser } from "./postgres-server.ts";

/**
 * Makes a folder with MySQL's programs, and of its plugins the one that clones only: no keyring.
 * @param directory a new one, that servers can reach
 */
export async function basedirWithoutKeyring(directory: string): Promise<string> {
  const original = await mysqlBasedir();
  const basedir = path.join(directory, "basedir");
  const bin = path.join(basedir, "bin");
  for (const each of [bin, pluginsOf(basedir)]) await mkdir(each, { recursive: true });
  await symlink(path.join(original, "../usr"), path.join(directory, "usr"));
  await symlink(await realpath(path.join(original, "share")), path.join(basedir, "share"));
  await copyFile(path.join(original, "bin/mysqld"), path.join(bin, "mysqld"));
  for (const program of ["mysql", "mysqlbinlog"]) {
    await symlink(await readlink(path.join(original, "bin", program)), path.join(bin, program));
  }
  await addPlugin(basedir, "mysql_clone.so");
  return basedir;
}

/**
 * Makes a folder with MySQL's programs whose servers have a keyring of their own, a file that is empty at first: which
 * keyring they load, servers read where their program is.
 * @param directory a new one, that servers can reach
 */
export async function basedirWithKeyring(directory: string): Promise<string> {
  const basedir = await basedirWithoutKeyring(directory);
  await addPlugin(basedir, "component_keyring_file.so");
  const keys = path.join(directory, "keys");
  await mkdir(keys);
  await ownByServerUser(keys);
  await writeFile(path.join(basedir, "bin/mysqld.my"), JSON.stringify({ components: "file://component_keyring_file" }));
  const settings = { path: path.join(keys, "keyring"), read_only: false };
  await writeFile(path.join(pluginsOf(basedir), "component_keyring_file.cnf"), JSON.stringify(settings));
  return basedir;
}

function pluginsOf(basedir: string): string {
  return path.join(basedir, "lib/plugin");
}

/** @param library file name of a plugin or component */
export async function addPlugin(basedir: string, library: string): Promise<void> {
  const original = path.join(pluginsOf(await mysqlBasedir()), library);
  await symlink(await realpath(original), path.join(pluginsOf(basedir), library));
}
