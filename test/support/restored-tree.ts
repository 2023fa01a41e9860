import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import path from "node:path";

/** Everything below a directory, in words that are equal when the trees are: kind, permissions and content. */
export async function readTree(directory: string): Promise<ReadonlyMap<string, string | Buffer>> {
  const tree = new Map<string, string | Buffer>();
  for (const name of (await readdir(directory, { recursive: true })).sort()) {
    const place = path.join(directory, name);
    const status = await lstat(place);
    const mode = (status.mode & 0o7777).toString(8);
    if (status.isSymbolicLink()) tree.set(name, `link to ${await readlink(place)}`);
    else if (status.isDirectory()) tree.set(name, `directory ${mode}`);
    else tree.set(name, Buffer.concat([Buffer.from(`file ${mode} `), await readFile(place)]));
  }
  return tree;
}

/** What differs between two trees; empty when they are equal. */
export function treeDifferences(
  actual: ReadonlyMap<string, string | Buffer>,
  expected: ReadonlyMap<string, string | Buffer>,
): readonly string[] {
  const names = new Set([...actual.keys(), ...expected.keys()]);
  return [...names].filter((name) => {
    const [one, other] = [actual.get(name), expected.get(name)];
    return one === undefined || other === undefined || !Buffer.from(one).equals(Buffer.from(other));
  });
}
