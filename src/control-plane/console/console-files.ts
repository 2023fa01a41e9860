import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";

/** A file of the console, as it is sent. */
export interface ConsoleFile {
  readonly type: string;
  readonly bytes: Buffer;
  /** The same, compressed with Brotli; undefined where that is not worth it. */
  readonly compressed: Buffer | undefined;
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".woff2": "font/woff2",
};

/** The page that all others are views of. */
export const indexPath = "/index.html";

/** Where a page has to have the nonce of its styles. */
export const noncePlaceholder = "BTAR_NONCE";

/** Reads the built console into memory: it is small. @returns by path, such as `/assets/index-3f2a.js` */
export async function readConsoleFiles(directory: string): Promise<ReadonlyMap<string, ConsoleFile>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile() && types[extname(entry.name)] !== undefined)
    .map((entry) => join(entry.parentPath, entry.name));
  const compressed = new Set(
    entries.filter(({ name }) => name.endsWith(".br")).map((entry) => join(entry.parentPath, entry.name)),
  );
  const files = await Promise.all(
    paths.map(async (path): Promise<readonly [string, ConsoleFile]> => {
      const packed = compressed.has(`${path}.br`) ? await readFile(`${path}.br`) : undefined;
      const type = types[extname(path)] ?? "application/octet-stream";
      return [path.slice(directory.length), { type, bytes: await readFile(path), compressed: packed }];
    }),
  );
  return new Map(files);
}
