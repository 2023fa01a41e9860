import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";

const root = path.dirname(path.dirname(import.meta.dirname));
const outputLimitBytes = 16 * 1024 * 1024;

/** One finding of the linter. */
export interface LintProblem {
  /** Relative to the directory that was looked at. */
  readonly file: string;
  /** Such as `eslint(no-restricted-imports)`. */
  readonly rule: string;
  /** The linter's words and, where a rule has one, the reason we give. */
  readonly message: string;
}

interface Report {
  readonly diagnostics: readonly {
    readonly filename: string;
    readonly code: string;
    readonly message: string;
    readonly help?: string;
  }[];
}

/** Runs the linter on a directory under the configuration that lies in it. */
export async function runOxlint(directory: string): Promise<readonly LintProblem[]> {
  const program = path.join(root, "node_modules", ".bin", "oxlint");
  const stdout = await promisify(execFile)(process.execPath, [program, "--type-aware", "--format=json"], {
    cwd: directory,
    maxBuffer: outputLimitBytes,
  }).then(
    (result) => result.stdout,
    // Problems found are an exit code above 0 too; they are in the output.
    (error: { readonly stdout?: string }) => error.stdout ?? "",
  );
  const { diagnostics } = JSON.parse(stdout) as Report;
  return diagnostics.map(({ filename, code, message, help }) => ({
    file: path.relative(directory, path.resolve(directory, filename)),
    rule: code,
    message: help ?? message,
  }));
}
