import { chmod, lstat, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

/** Makes `name` in the cache folder of this user once, however many test files ask at the same time. */
export async function cached(name: string, make: (directory: string) => Promise<void>): Promise<string> {
  const cache = await cacheDirectory();
  const directory = path.join(cache, name);
  if (await exists(directory)) return directory;
  const unfinished = await mkdtemp(path.join(cache, "unfinished-"));
  await chmod(unfinished, 0o755);
  const content = path.join(unfinished, "content");
  await make(content);
  await rename(content, directory).catch(async (error) => {
    if (!(await exists(directory))) throw error;
  });
  await rm(unfinished, { recursive: true, force: true });
  return directory;
}

export async function exists(directory: string): Promise<boolean> {
  return await lstat(directory).then(
    () => true,
    () => false,
  );
}

/** A cache folder that only this user can have made; servers of another user can read it. */
async function cacheDirectory(): Promise<string> {
  const directory = path.join(tmpdir(), `btar-test-cache-${process.getuid?.() ?? "user"}`);
  await mkdir(directory, { recursive: true, mode: 0o755 });
  const status = await lstat(directory);
  if (!status.isDirectory() || status.uid !== process.getuid?.()) throw new Error(`${directory} is not ours`);
  return directory;
}
