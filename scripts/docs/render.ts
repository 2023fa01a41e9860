import { dirname, join, normalize, relative } from "node:path";
import { Marked } from "marked";
import { getHeadingList, gfmHeadingId } from "marked-gfm-heading-id";
import type { Page } from "./pages.ts";

export interface Heading {
  readonly level: number;
  readonly text: string;
  readonly id: string;
}

export interface Rendered {
  readonly html: string;
  readonly title: string;
  readonly headings: readonly Heading[];
  /** Targets of links, as written. */
  readonly links: readonly string[];
}

/** Markdown to HTML; headings have the ids that code hosts give them. @param leadTo where a link leads on the site */
export function renderMarkdown(markdown: string, leadTo: (link: string) => string = (link) => link): Rendered {
  const links: string[] = [];
  const marked = new Marked(gfmHeadingId(), {
    walkTokens: (token) => {
      if (token.type !== "link" || typeof token["href"] !== "string") return;
      links.push(token["href"]);
      token["href"] = leadTo(token["href"]);
    },
  });
  const html = marked.parse(markdown, { async: false });
  const headings = getHeadingList().map(({ level, text, id }) => ({ level, text, id }));
  return { html, title: headings[0]?.text ?? "", headings, links };
}

/** The pages of the site. */
export class Site {
  readonly pages: readonly Page[];
  /** Ids of the headings, by path. */
  readonly #ids: ReadonlyMap<string, ReadonlySet<string>>;

  constructor(pages: readonly Page[]) {
    this.pages = pages;
    this.#ids = new Map(
      pages.map(({ path, markdown }) => [path, new Set(renderMarkdown(markdown).headings.map(({ id }) => id))]),
    );
  }

  /** A link between files as one between pages: a part of a file may be a page of its own. */
  leadTo(from: Page, link: string): string {
    const [path = "", anchor] = link.split("#");
    if (/^\w+:/.test(link)) return link;
    const origin = path === "" ? from.origin : normalize(join(dirname(from.origin), path));
    const parts = this.pages.filter((page) => page.origin === origin);
    const target = parts.find((page) => anchor !== undefined && this.#ids.get(page.path)?.has(anchor)) ?? parts[0];
    if (!target) return link;
    const there = relative(dirname(from.path), htmlPath(target));
    return anchor === undefined ? there : `${there}#${anchor}`;
  }

  /** A whole page. */
  render(page: Page): string {
    const { html, title, headings } = renderMarkdown(page.markdown, (link) => this.leadTo(page, link));
    const up = "../".repeat(page.path.split("/").length - 1);
    const contents = headings.filter(({ level }) => level === 2);
    return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${plain(title)} · btar</title>
<link rel="stylesheet" href="${up}style.css">
</head>
<body>
<nav aria-label="Pages"><a class="home" href="${up}start.html">btar</a>${menu(page, this.pages, up)}</nav>
<main>
${contents.length > 2 ? `<details class="contents"><summary>On this page</summary>${list(contents)}</details>` : ""}
${html}
</main>
</body>
</html>
`;
  }
}

function list(headings: readonly Heading[]): string {
  return `<ul>${headings.map(({ id, text }) => `<li><a href="#${id}">${text}</a></li>`).join("")}</ul>`;
}

function menu(current: Page, pages: readonly Page[], up: string): string {
  const groups = Map.groupBy(pages, ({ group }) => group);
  return [...groups]
    .map(([group, ofGroup]) => {
      const items = ofGroup.map((page) => {
        const mark = page.path === current.path ? ' aria-current="page"' : "";
        return `<li><a href="${up}${htmlPath(page)}"${mark}>${titleOf(page)}</a></li>`;
      });
      const isOpen = group !== "Decisions" || current.group === group;
      return `<details${isOpen ? " open" : ""}><summary>${group}</summary><ul>${items.join("")}</ul></details>`;
    })
    .join("");
}

export function htmlPath({ path }: Page): string {
  return path.replace(/\.md$/, ".html");
}

function titleOf({ markdown }: Page): string {
  const title = /^# (.+)$/m.exec(markdown)?.[1] ?? "";
  return title
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(/`([^`]+)`/g, "<code>$1</code>");
}

function plain(html: string): string {
  return html.replaceAll(/<[^>]+>/g, "");
}
