import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import axe from "axe-core";
import type { Browser, Page } from "playwright-core";
import { startBrowser } from "../support/browser.ts";
import { consoleDialogs } from "../support/console-dialogs.ts";
import { ConsolePages, consolePaths } from "../support/console-pages.ts";
import { ConsoleScene, readerEmail } from "../support/console-scene.ts";

let scene: ConsoleScene;
let browser: Browser;
before(async () => {
  scene = await ConsoleScene.make();
  await scene.furnish();
  browser = await startBrowser();
});
after(async () => {
  await browser.close();
  await scene.close();
});

const large = { width: 1440, height: 900 };
/** Of all pages together, as browsers measure it: a page is good at 0.1. */
const mostShift = 0.1;
const small = { width: 360, height: 740 };

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

const allRules = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']";

/** What is wrong with a page. @param rules of axe, all or one */
async function problemsOf(pages: ConsolePages, rules: string, width: number): Promise<readonly string[]> {
  const { page } = pages;
  const problems = await violationsIn(pages, "document", rules);
  const overflow = await page.evaluate<number>(
    "document.documentElement.scrollWidth - document.documentElement.clientWidth",
  );
  return [...problems, ...(overflow > 0 ? [`${overflow} pixels too wide at ${width}`] : [])];
}

/** What axe says against a part of a page. @param part what it is found by in the page's script */
async function violationsIn({ page }: ConsolePages, part: string, rules: string): Promise<readonly string[]> {
  if (!(await page.evaluate<boolean>("'axe' in window"))) await page.evaluate(axe.source);
  const violations = await page.evaluate<readonly Violation[]>(
    `axe.run(${part}, { resultTypes: ['violations'], runOnly: ${rules} }).then((found) => found.violations)`,
  );
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join("\n  ")}`);
}

test("every page is accessible, light and dark, large and small, fits its width, keeps still, and loads nothing from elsewhere", async () => {
  const looks = [
    { viewport: large, colorScheme: "light", rules: allRules },
    { viewport: small, colorScheme: "dark", rules: "['color-contrast']" },
  ] as const;
  const problems: string[] = [];
  await Promise.all(
    looks.map(async ({ viewport, colorScheme, rules }) => {
      const pages = await ConsolePages.open(browser, { url: scene.api.url, viewport, colorScheme });
      const shifts: { readonly name: string; readonly shift: number }[] = [];
      for (const [name, path] of Object.entries(consolePaths)) {
        await pages.goTo(path);
        const shift = await pages.layoutShift();
        if (shift > 0.005) shifts.push({ name, shift });
        for (const problem of await problemsOf(pages, rules, viewport.width))
          problems.push(`${name}, ${colorScheme}: ${problem}`);
      }
      if (shifts.reduce((sum, { shift }) => sum + shift, 0) > mostShift)
        problems.push(`things jump: ${JSON.stringify(shifts)}`);
      problems.push(...pages.troubles);
      await pages.close();
    }),
  );
  assert.deepEqual(problems, []);
});

/** Menus and dialogs take the focus a moment after they have opened: a key that is pressed before goes elsewhere. */
async function takesFocus(page: Page, role: "menu" | "dialog"): Promise<void> {
  await page.locator(`[role="${role}"]:focus-within`).waitFor();
  await focusSettles(page);
}

/** What moves the focus does so by timers of 10 ms at most, which run before one that is set later, and longer. */
async function focusSettles(page: Page): Promise<void> {
  await page.evaluate("new Promise((done) => setTimeout(done, 20))");
}

test("every dialog opens by the keyboard, has a name, is accessible, says at the field what is wrong, and closes with Escape", async () => {
  const pages = await ConsolePages.open(browser, { url: scene.api.url, viewport: large, colorScheme: "light" });
  const { page } = pages;
  const problems: string[] = [];
  let shown: string | undefined;
  for (const { page: name, open, title, wrong } of consoleDialogs) {
    if (shown !== name) await pages.goTo(consolePaths[name]);
    shown = name;
    for (const [step, opener] of open.entries()) {
      const named = { name: opener, exact: true };
      if (step > 0) await takesFocus(page, "menu");
      await page
        .getByRole(step === 0 ? "button" : "menuitem", named)
        .first()
        .press("Enter");
    }
    const dialog = page.getByRole("dialog", { name: title, exact: true });
    await dialog.waitFor();
    await takesFocus(page, "dialog");
    if (wrong) {
      for (const [label, text] of Object.entries(wrong.fill)) await dialog.getByLabel(label).fill(text);
      await dialog.getByRole("button", { name: wrong.action, exact: true }).press("Enter");
      await dialog.locator("[aria-invalid=true]").first().waitFor();
      assert.match(await dialog.innerText(), wrong.error, `${name}: ${title}`);
    }
    for (const problem of await violationsIn(pages, "document.querySelector('[role=dialog]')", allRules))
      problems.push(`${name}, ${title}: ${problem}`);
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    await focusSettles(page);
  }
  assert.deepEqual(problems, []);
  // What the API has refused is told by the browser, too.
  assert.deepEqual(
    pages.troubles.filter((trouble) => !/status of 4\d\d/.test(trouble)),
    [],
  );
  await pages.close();
});

test("a reader is offered nothing that the role forbids, and is told so where a page is for others", async () => {
  const options = { url: scene.api.url, viewport: large, colorScheme: "light", email: readerEmail } as const;
  const pages = await ConsolePages.open(browser, options);
  const { page } = pages;
  const unlike = new Set(["account", "copying", "unprotected", "metrics", "verification", "service-activity"]);
  const paths = Object.entries(consolePaths).filter(([name]) => !unlike.has(name));
  const changes =
    /^(New|Add|Back up|Verify$|Fork|Choose base|Pause|Resume|Undo|Delete|Detach|Power|Remove|Cancel|Save|Change|Restore|Send|Look (now|again)|More for|Actions for)/;
  const offered: string[] = [];
  for (const [name, path] of paths) {
    await pages.goTo(path);
    const buttons = await page.getByRole("main").getByRole("button").all();
    for (const button of buttons) {
      const text = (await button.getAttribute("aria-label")) ?? (await button.innerText());
      if (changes.test(text)) offered.push(`${name}: ${text}`);
    }
    const isForOthers = ["fork", "fork-of-mysql", "logs", "notifications", "new", "people"].includes(name);
    assert.equal(await page.getByText("Your role does not allow this").count(), isForOthers ? 1 : 0, name);
  }
  assert.deepEqual(offered, []);
  assert.equal(await page.getByRole("link", { name: /New service|Fork and restore|People|Notifications/ }).count(), 0);
  assert.deepEqual(pages.troubles, []);
  await pages.close();
});

test("the first view needs no more than 300 kB of compressed script", async () => {
  const page = await browser.newPage();
  const scripts: string[] = [];
  page.on("response", (response) => {
    if (response.url().endsWith(".js")) scripts.push(new URL(response.url()).pathname);
  });
  await page.goto(scene.api.url);
  await page.getByLabel("E-mail").waitFor();
  const directory = join(import.meta.dirname, "..", "..", "dist", "console");
  const bytes = scripts.map((path) => readFileSync(join(directory, `${path}.br`)).length);
  const total = bytes.reduce((sum, each) => sum + each, 0);
  assert.ok(total > 0 && total <= 300_000, `${total} bytes in ${scripts.join(", ")}`);
  await page.close();
});

test("R1: while a region is down, every page says so, and the way out is accessible as well", async () => {
  await scene.loseRegion();
  const pages = await ConsolePages.open(browser, { url: scene.api.url, viewport: large, colorScheme: "dark" });
  await pages.page.getByRole("alert").getByText("aws-eu-west-1 is down").waitFor();
  await pages.page.getByRole("link", { name: "What to do" }).click();
  await pages.page.getByRole("button", { name: /^Fork \d+ services…$/ }).waitFor();
  assert.deepEqual(await problemsOf(pages, allRules, large.width), []);
  assert.deepEqual(pages.troubles, []);
  await pages.close();
});

test("a thousand services are filtered at once, and only those in sight are drawn", async () => {
  await scene.crowd(1000);
  const pages = await ConsolePages.open(browser, { url: scene.api.url, viewport: large, colorScheme: "light" });
  const { page } = pages;
  await pages.goTo("/projects/demo");
  await page.getByRole("table").waitFor();
  const drawn = await page.getByRole("row").count();
  assert.ok(drawn > 5 && drawn < 60, `${drawn} rows`);
  await page.getByLabel("Search services").fill("service-0777");
  await page.getByText("service-0777").waitFor();
  await page.getByRole("row").nth(2).waitFor({ state: "detached" });
  assert.equal(await page.getByRole("row").count(), 2);
  assert.deepEqual(pages.troubles, []);
  await pages.close();
});
