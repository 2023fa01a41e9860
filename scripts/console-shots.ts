/**
 * `npm run console:shots`: pictures of every page of the console, light and dark, small and large, into the folder
 * `console-shots`, of an installation with services in every state. For whoever changed something: look at them.
 * `npm run console:shots -- overview fork` makes those of some pages.
 */
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { startBrowser } from "../test/support/browser.ts";
import { ConsolePages, consolePaths } from "../test/support/console-pages.ts";
import { ConsoleScene } from "../test/support/console-scene.ts";

const directory = join(dirname(import.meta.dirname), "console-shots");
mkdirSync(directory, { recursive: true });

const wanted = process.argv.slice(2);
const sizes = { small: { width: 360, height: 740 }, large: { width: 1440, height: 900 } } as const;

const scene = await ConsoleScene.make();
await scene.furnish();
const browser = await startBrowser();
try {
  await shootAll("", consolePaths);
  await scene.loseRegion();
  const { overview, regions, fork } = consolePaths;
  await shootAll("down-", { overview, regions, fork });
} finally {
  await browser.close();
  await scene.close();
}

async function shootAll(prefix: string, paths: Readonly<Record<string, string>>): Promise<void> {
  for (const [size, viewport] of Object.entries(sizes)) {
    for (const colorScheme of ["light", "dark"] as const) {
      const pages = await ConsolePages.open(browser, { url: scene.api.url, viewport, colorScheme });
      for (const [name, path] of Object.entries(paths)) {
        if (wanted.length > 0 && !wanted.includes(name)) continue;
        await pages.goTo(path);
        await setTimeout(600); // for small charts, which come after what they stand in
        await pages.page.screenshot({
          path: join(directory, `${prefix}${name}-${size}-${colorScheme}.png`),
          fullPage: true,
        });
      }
      await pages.close();
      process.stdout.write(`${prefix}${size} ${colorScheme}\n`);
    }
  }
}
