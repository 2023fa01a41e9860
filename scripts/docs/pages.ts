/** The pages of the documentation, in the order of the menu. */
import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { configurationPage } from "./configuration-page.ts";
import { commandsPage } from "./commands-page.ts";

export const root = dirname(dirname(import.meta.dirname));

export interface Page {
  /** Below `docs/`, with `.md`; pages that are made of the code lie there only for the site. */
  readonly path: string;
  readonly group: string;
  readonly markdown: string;
}

const groups: readonly (readonly [group: string, paths: readonly string[]])[] = [
  ["Start", ["start.md"]],
  ["Concepts", ["how-it-works.md", "security.md"]],
  ["How to", ["how-to.md"]],
  ["Runbooks", ["runbook.md", "runbook-region-gone.md", "runbook-btar-gone.md"]],
  ["Reference", ["reference.md", "configuration-options.md", "commands.md", "repository-format.md", "benchmarks.md"]],
];

/** Made of the code, so that they are never out of date. */
const generated: Readonly<Record<string, () => string>> = {
  "configuration-options.md": configurationPage,
  "commands.md": commandsPage,
};

export function readPages(): readonly Page[] {
  const listed = groups.flatMap(([group, paths]) => paths.map((path) => ({ path, group })));
  const decisions = globSync("decisions/*.md", { cwd: join(root, "docs") }).sort();
  const pages = [...listed, ...decisions.map((path) => ({ path, group: "Decisions" }))];
  return pages.map((page) => ({ ...page, markdown: generated[page.path]?.() ?? readPage(page.path) }));
}

function readPage(path: string): string {
  return readFileSync(join(root, "docs", path), "utf8");
}
