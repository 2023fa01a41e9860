import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { suite, test } from "node:test";
import type { Command } from "commander";
import { lexer, type Token } from "marked";
import { readPages, root } from "../../scripts/docs/pages.ts";
import { htmlPath, renderMarkdown, Site } from "../../scripts/docs/render.ts";
import { splitPage } from "../../scripts/docs/split-page.ts";
import { buildProgram } from "../../src/main/program.ts";

const files = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", ...globSync("docs/**/*.md", { cwd: root })].sort();
const textOf = (file: string) => readFileSync(join(root, file), "utf8");
const site = new Site(readPages());
const { pages } = site;
const generated = new Map<string, string>(
  pages.flatMap(({ path, markdown }) => (files.includes(`docs/${path}`) ? [] : [[`docs/${path}`, markdown] as const])),
);
const idsOf = (file: string) => renderMarkdown(generated.get(file) ?? textOf(file)).headings.map(({ id }) => id);

/** Why a link leads nowhere; undefined when it leads somewhere, or out. */
function brokenLink(file: string, link: string): string | undefined {
  if (/^\w+:/.test(link)) return undefined;
  const [path = "", anchor] = link.split("#");
  const target = path === "" ? file : normalize(join(dirname(file), path));
  if (!generated.has(target) && !existsSync(join(root, target))) return `${link}: there is no ${target}`;
  if (anchor === undefined || !target.endsWith(".md") || idsOf(target).includes(anchor)) return undefined;
  return `${link}: ${target} has no such heading`;
}

suite("links", () => {
  for (const file of files) {
    test(`those of ${file} lead somewhere`, () => {
      const broken = renderMarkdown(textOf(file)).links.flatMap((link) => brokenLink(file, link) ?? []);
      assert.deepEqual(broken, []);
    });
  }
});

test("a link to a page or a heading that there is not is found", () => {
  assert.match(brokenLink("docs/start.md", "nothing.md") ?? "", /there is no docs\/nothing\.md/);
  assert.match(brokenLink("docs/start.md", "how-to.md#nothing") ?? "", /has no such heading/);
  assert.equal(brokenLink("docs/start.md", "how-to.md#keep-the-master-key-safe"), undefined);
});

const program = buildProgram();

/** What is wrong with a command line; undefined when it names commands and options that there are. */
function wrongCommand(line: string): string | undefined {
  const [, ...words] = line.split(/\s+/);
  let command: Command = program;
  let at = 0;
  for (; at < words.length && command.commands.length > 0; at += 1) {
    const next = command.commands.find((each) => each.name() === words[at] || each.aliases().includes(words[at] ?? ""));
    if (!next) break;
    command = next;
  }
  const rest = words.slice(at);
  const isGroup = command.commands.length > 0 && command.registeredArguments.length === 0;
  if (isGroup && rest[0] !== undefined && /^[a-z][a-z-]*$/.test(rest[0])) {
    return `${line}: there is no command ${rest[0]}`;
  }
  const known = new Set([...command.options.flatMap(({ long, short }) => [long, short]), "--help", "--version"]);
  for (const word of rest) {
    const flag = /^(--[a-z][a-z-]*|-[a-zA-Z])(?==|$)/.exec(word)?.[1];
    if (flag !== undefined && !known.has(flag)) return `${line}: ${command.name()} has no ${flag}`;
  }
  return undefined;
}

/** Command lines in blocks of code and between backquotes, without comments and what follows in a pipe. */
function* commandsIn(markdown: string): Generator<string> {
  const tokens: Token[] = lexer(markdown);
  for (const token of tokens) {
    if (token.type === "code" && (token["lang"] ?? "") !== "") continue;
    const text = token.type === "code" ? token["text"] : undefined;
    const lines =
      typeof text === "string"
        ? text.replaceAll("\\\n", " ").split("\n")
        : [...token.raw.matchAll(/`(btar [^`]+)`/g)].map(([, line = ""]) => line);
    for (const line of lines) {
      const found = /^\s*(?:\$ )?(?:[A-Z_]+=\S+ )*(?:npx |docker exec \w+ )?(btar .*)$/.exec(line)?.[1];
      if (found !== undefined) yield found.replaceAll(/'[^']*'|"[^"]*"/g, "TEXT").split(/\s(?:#|\||&&|;|>)/)[0] ?? "";
    }
  }
}

suite("examples", () => {
  // What was is no example: commands of earlier versions may be gone. In the format, texts begin with the word.
  const isWithout = (file: string) => /^(CHANGELOG|docs\/(decisions\/.*|repository-format))\.md$/.test(file);
  for (const file of files.filter((each) => !isWithout(each))) {
    test(`those of ${file} name commands and options that there are`, () => {
      const wrong = [...commandsIn(textOf(file))].flatMap((line) => wrongCommand(line.trim()) ?? []);
      assert.deepEqual(wrong, []);
    });
  }
});

test("an example with a command or an option that there is not is found", () => {
  const lines = ["btar servce list", "btar status --jsn", "btar service create shop --typ pg", "btar frok x"];
  for (const line of lines) assert.ok(wrongCommand(line), line);
  assert.deepEqual(
    [...commandsIn("```\nnpx btar status --json | jq .  # all\n```\nSee `btar events -n 5`.")],
    ["btar status --json", "btar events -n 5"],
  );
});

suite("the site", () => {
  test("has every page in its menu, and each links to pages that there are", () => {
    const inMenu = pages.map(({ origin }) => `docs/${origin}`);
    assert.deepEqual(
      files.filter((file) => file.startsWith("docs/") && !inMenu.includes(file)),
      [],
    );
    const made = new Set(pages.map(htmlPath));
    const idsAt = new Map(
      pages.map((page) => [htmlPath(page), new Set(renderMarkdown(page.markdown).headings.map(({ id }) => id))]),
    );
    for (const page of pages) {
      const html = site.render(page);
      assert.match(html, /<h1 id="/, page.path);
      for (const [, href = "", id] of html.matchAll(/href="([^"#:]+\.html)(?:#([^"]*))?"/g)) {
        const target = relative(".", normalize(join(dirname(page.path), href)));
        assert.ok(made.has(target), `${page.path}: ${href}`);
        if (id !== undefined) assert.ok(idsAt.get(target)?.has(id), `${page.path}: ${href}#${id}`);
      }
    }
  });

  test("has a page for each task, and for each thing that is looked up", () => {
    const paths = pages.map(({ path }) => path);
    for (const path of [
      "how-to/verify-what-is-stored.md",
      "reference/metrics.md",
      "reference/events.md",
      "reference/api.md",
    ]) {
      assert.ok(paths.includes(path), path);
    }
    const start = pages.find(({ path }) => path === "start.md");
    assert.ok(start);
    assert.equal(site.leadTo(start, "how-to.md#rotate-it"), "how-to/keep-the-master-key-safe.html#rotate-it");
    assert.match(splitPage("# A\n\n```\n## no\n```\n\n## B\n### C\n").parts[0]?.markdown ?? "", /^# B\n## C\n/);
  });

  test("is served by `npm run docs`", async () => {
    const child = spawn(process.execPath, [join(root, "scripts", "docs.ts"), "--port", "0"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      const [said] = (await once(child.stdout.setEncoding("utf8"), "data")) as [string];
      const url = /http:\S+/.exec(said)?.[0] ?? "";
      const answer = await fetch(url);
      assert.equal(answer.status, 200);
      assert.match(await answer.text(), /<h1 id="start">Start<\/h1>/);
      assert.equal((await fetch(`${url}commands.html`)).status, 200);
      assert.equal((await fetch(`${url}nothing.html`)).status, 404);
    } finally {
      child.kill();
      await once(child, "exit");
    }
  });
});
