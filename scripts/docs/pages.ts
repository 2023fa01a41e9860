/** The pages of the documentation, in the order of the menu. */
import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import GithubSlugger from "github-slugger";
import { commandsPage } from "./commands-page.ts";
import { configurationPage } from "./configuration-page.ts";
import { splitPage } from "./split-page.ts";

export const root = dirname(dirname(import.meta.dirname));

export interface Page {
  /** Below `docs/`, with `.md`; those that are made of the code, or are a part of a file, are there only for the site. */
  readonly path: string;
  /** The file that its text is in, whose links it has. */
  readonly origin: string;
  readonly group: string;
  readonly markdown: string;
}

const groups: readonly (readonly [group: string, paths: readonly string[]])[] = [
  ["Start", ["start.md"]],
  ["Concepts", ["how-it-works.md", "security.md"]],
  ["How to", ["how-to.md", "console.md"]],
  ["Runbooks", ["runbook.md", "runbook-region-gone.md", "runbook-btar-gone.md"]],
  ["Reference", ["reference.md", "configuration-options.md", "commands.md", "repository-format.md", "benchmarks.md"]],
];

/** A page for each task, and for each thing that is looked up. */
const splitPaths: ReadonlySet<string> = new Set(["how-to.md", "reference.md"]);

/** Made of the code, so that they are never out of date. */
const generated: Readonly<Record<string, () => string>> = {
  "configuration-options.md": configurationPage,
  "commands.md": commandsPage,
};

export function readPages(): readonly Page[] {
  const listed = groups.flatMap(([group, paths]) => paths.map((path) => ({ path, group })));
  const decisions = globSync("decisions/*.md", { cwd: join(root, "docs") }).sort();
  const pages = [...listed, ...decisions.map((path) => ({ path, group: "Decisions" }))];
  return pages.flatMap(({ path, group }) => {
    const markdown = generated[path]?.() ?? readFileSync(join(root, "docs", path), "utf8");
    const page = { path, origin: path, group, markdown };
    return splitPaths.has(path) ? partsOf(page) : [page];
  });
}

/** A page that leads to the parts, and a page for each part. */
function partsOf(page: Page): readonly Page[] {
  const { introduction, parts } = splitPage(page.markdown);
  const slugger = new GithubSlugger();
  const pages = parts.map(({ title, markdown }) => {
    const path = `${page.path.replace(/\.md$/, "")}/${slugger.slug(title)}.md`;
    return { title, page: { ...page, path, markdown } };
  });
  const list = pages.map(
    ({ title, page: { path } }) => `- [${title}](${page.path}#${path.split("/")[1]?.slice(0, -3)})`,
  );
  return [{ ...page, markdown: `${introduction}\n${list.join("\n")}\n` }, ...pages.map((part) => part.page)];
}
