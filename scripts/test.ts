/**
 * `npm test`: everything that must hold. Checks of the text first, since they are quick; then every test, with real
 * servers, which the tests install themselves. `npm test -- PATH…` runs only the tests named.
 */
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { dirname, join } from "node:path";

const root = dirname(import.meta.dirname);
const bin = join(root, "node_modules", ".bin");

interface Step {
  readonly title: string;
  readonly program: string;
  readonly args: readonly string[];
}

const checks: readonly Step[] = [
  { title: "types", program: join(bin, "tsc"), args: ["--noEmit", "-p", "."] },
  { title: "types of the console", program: join(bin, "tsc"), args: ["--noEmit", "-p", "console"] },
  { title: "lint and import directions", program: join(bin, "oxlint"), args: ["--type-aware", "--deny-warnings"] },
  { title: "format", program: join(bin, "biome"), args: ["format", "."] },
];

function testRun(title: string, patterns: readonly string[], concurrency: number): Step {
  const files = patterns.flatMap((pattern) => globSync(pattern, { cwd: root })).sort();
  const args = [
    "--test",
    "--test-timeout=600000",
    `--test-concurrency=${concurrency}`,
    "--test-reporter=spec",
    ...files,
  ];
  return { title, program: process.execPath, args };
}

/** Code is compiled once, not in each of the thousands of processes that tests start. */
const environment = { NODE_COMPILE_CACHE: join(root, ".cache", "code"), ...process.env };

const named = process.argv.slice(2);
const steps: readonly Step[] =
  named.length > 0
    ? [testRun("named tests", named, 1)]
    : [
        ...checks,
        testRun("unit and property tests", ["{src,console}/**/*.test.ts", "test/architecture/**/*.test.ts"], 2),
        // Servers share two cores: few files at once, so that deadlines mean what they say. Tests wait half of their time.
        testRun("conformance, scenario and fault tests", ["test/{conformance,scenario,fault}/**/*.test.ts"], 3),
      ];

for (const step of steps) {
  const startedAt = Date.now();
  process.stdout.write(`\n── ${step.title}\n`);
  const result = spawnSync(step.program, step.args, { cwd: root, stdio: "inherit", env: environment });
  if (result.error) throw result.error;
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
  if (result.status !== 0) {
    process.stdout.write(`── ${step.title}: failed after ${seconds} s\n`);
    process.exit(1);
  }
  process.stdout.write(`── ${step.title}: passed in ${seconds} s\n`);
}
