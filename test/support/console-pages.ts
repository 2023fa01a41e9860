import type { Browser, BrowserContext, Page } from "playwright-core";
import { sceneEmail, scenePassword } from "./console-scene.ts";

/** Every page, in the project of the scene. */
export const consolePaths = {
  overview: "/projects/demo",
  backups: "/projects/demo/services/shop",
  copying: "/projects/demo/services/billing",
  unprotected: "/projects/demo/services/sandbox",
  fork: "/projects/demo/services/shop/fork?from=aws-eu-central-1",
  connect: "/projects/demo/services/shop/connect",
  configuration: "/projects/demo/services/shop/configuration",
  metrics: "/projects/demo/services/shop/metrics",
  logs: "/projects/demo/services/shop/logs",
  "service-activity": "/projects/demo/services/shop/activity",
  progress: "/projects/demo/services/rehearsal/progress",
  "fork-of-mysql": "/projects/demo/services/orders/fork?from=aws-eu-north-1",
  "lost-range": "/projects/demo/services/shop-recovered/lost-range",
  regions: "/projects/demo/regions",
  verification: "/projects/demo/verification",
  activity: "/projects/demo/activity",
  notifications: "/projects/demo/notifications",
  settings: "/projects/demo/settings",
  new: "/projects/demo/new",
  projects: "/projects",
  people: "/people",
  account: "/account",
} as const satisfies Readonly<Record<string, string>>;

const watchShifts = `
  window.layoutShift = 0;
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) window.layoutShift += value;
  }).observe({ type: "layout-shift", buffered: true });`;

/** Only bounds what fails; pages are loaded in a second. */
const longestWaitMs = 90_000;

interface OpenOptions {
  readonly url: string;
  readonly viewport: { readonly width: number; readonly height: number };
  readonly colorScheme: "light" | "dark";
}

/** A browser that has signed in; whatever goes wrong in its pages is kept. */
export class ConsolePages {
  readonly page: Page;
  readonly #context: BrowserContext;
  readonly #url: string;
  /** Errors of scripts, and what the security policy has refused. */
  readonly troubles: string[] = [];

  private constructor(context: BrowserContext, page: Page, url: string) {
    this.#context = context;
    this.page = page;
    this.#url = url;
  }

  static async open(
    browser: Browser,
    options: OpenOptions & { readonly email?: string; readonly password?: string },
  ): Promise<ConsolePages> {
    const { url, viewport, colorScheme, email = sceneEmail, password = scenePassword } = options;
    const context = await browser.newContext({ viewport, colorScheme, reducedMotion: "reduce" });
    const page = await context.newPage();
    page.setDefaultTimeout(longestWaitMs);
    await page.addInitScript(watchShifts);
    const pages = new ConsolePages(context, page, url);
    page.on("pageerror", (error) => pages.troubles.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error" && !message.text().includes("401")) pages.troubles.push(message.text());
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(url) && !request.url().startsWith("data:")) pages.troubles.push(request.url());
    });
    await page.goto(url);
    await page.getByLabel("E-mail").fill(email);
    await page.getByLabel("Password", { exact: true }).fill(password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { level: 1, name: "Services" }).waitFor();
    return pages;
  }

  /** Goes to a page, and waits until nothing of it is being loaded. */
  async goTo(path: string): Promise<void> {
    await this.page.goto(`${this.#url}${path}`);
    await this.page.getByRole("heading", { level: 1 }).first().waitFor();
    await this.page.locator('[aria-busy="true"]').first().waitFor({ state: "detached" });
  }

  /** How much has moved since the page was begun, without anybody having asked for it, as browsers measure that. */
  async layoutShift(): Promise<number> {
    return await this.page.evaluate<number>("window.layoutShift");
  }

  async close(): Promise<void> {
    await this.#context.close();
  }
}
