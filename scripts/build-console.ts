/**
 * The web console, into `dist/console`; nothing is done when it is there already and its sources are the same. It
 * appears under its name only when complete, so that several may build it at once.
 */
import { createHash } from "node:crypto";
import { globSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";

const root = dirname(import.meta.dirname);
const target = join(root, "dist", "console");
const mark = ".built-from";

const builtFrom = fingerprint();
if (readIfThere(join(target, mark)) !== builtFrom) await build();

async function build(): Promise<void> {
  const startedAt = Date.now();
  const { build: bundle } = await import("vite");
  const { default: react } = await import("@vitejs/plugin-react");
  const unfinished = `${target}.${process.pid}`;
  await bundle({
    root: join(root, "console"),
    configFile: false,
    logLevel: "warn",
    plugins: [react()],
    build: {
      outDir: unfinished,
      emptyOutDir: true,
      target: "es2023",
      modulePreload: { polyfill: false },
      assetsInlineLimit: 0, // nothing within a page: its security policy is strict
      chunkSizeWarningLimit: 2000,
    },
  });
  for (const file of globSync("**/*.{js,css,svg}", { cwd: unfinished })) compress(join(unfinished, file));
  writeFileSync(join(unfinished, mark), builtFrom);
  if (readIfThere(join(target, mark)) === builtFrom) {
    // Another build was quicker, and its files are being served.
    rmSync(unfinished, { recursive: true, force: true });
    return;
  }
  const previous = `${unfinished}.previous`;
  try {
    renameSync(target, previous);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
  try {
    renameSync(unfinished, target);
  } catch (error) {
    if (readIfThere(join(target, mark)) !== builtFrom) throw error; // else another build was as quick
    rmSync(unfinished, { recursive: true, force: true });
  }
  rmSync(previous, { recursive: true, force: true });
  process.stdout.write(`the console was built in ${((Date.now() - startedAt) / 1000).toFixed(1)} s\n`);
}

function compress(file: string): void {
  const bytes = readFileSync(file);
  const params = { [constants.BROTLI_PARAM_QUALITY]: 10, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  writeFileSync(`${file}.br`, brotliCompressSync(bytes, { params }));
}

/** Of all that the result depends on. */
function fingerprint(): string {
  const hash = createHash("sha256");
  const patterns = ["console/**/*", "src/{contract,domain}/*.ts", "package-lock.json", "scripts/build-console.ts"];
  for (const file of globSync(patterns, { cwd: root, withFileTypes: true })) {
    if (!file.isFile()) continue;
    const path = join(file.parentPath, file.name);
    hash
      .update(`${path.slice(root.length)}\0`)
      .update(readFileSync(path))
      .update("\0");
  }
  return hash.digest("hex");
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
