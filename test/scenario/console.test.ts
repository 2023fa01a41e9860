import assert from "node:assert/strict";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { mysqlShop } from "../../demo/mysql.ts";
import { postgresShop } from "../../demo/postgres.ts";
import { DemoPlace } from "../../demo/demo-place.ts";
import { Region } from "../../demo/region.ts";
import type { ShopConnection, ShopDatabase } from "../../demo/shop-database.ts";
import { adminEmail } from "../../src/control-plane/bootstrap.ts";
import { ApiClient, eventually } from "../support/api-client.ts";
import { startBrowser } from "../support/browser.ts";
import { ConsolePages } from "../support/console-pages.ts";
import { mysqlBasedir } from "../support/mysql-server.ts";
import type { RunningBtar } from "../support/running-btar.ts";

const password = "correct horse battery";
const [north, south] = ["local-north", "local-south"];

let place: DemoPlace;
let server: RunningBtar;
let api: ApiClient;
let browser: Browser;
before(async () => {
  await mysqlBasedir();
  process.env["BTAR_ADMIN_PASSWORD"] = password;
  place = new DemoPlace(await mkdtemp(join(tmpdir(), "btar-console-")));
  [server, browser] = await Promise.all([place.startBtar(), startBrowser()]);
  api = new ApiClient(server.url, server.token);
});
after(async () => {
  await browser.close();
  await place.cleanUp();
});

/** Creates a service with a copy in the other region; does not wait until it runs. */
async function create(page: Page, name: string, engine: string): Promise<void> {
  await page.getByRole("link", { name: "Services", exact: true }).click();
  await page
    .getByRole("link", { name: /^New service$|^Attach or create one$/ })
    .first()
    .click();
  await page.getByLabel("Name").fill(name);
  if (engine !== "PostgreSQL") await choose(page, "Engine", engine);
  await choose(page, "Region", north);
  await choose(page, "Secondary backup location", south);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByRole("heading", { level: 1, name: new RegExp(`^${name} is `) }).waitFor();
}

async function choose(page: Page, label: string, option: string): Promise<void> {
  await page.getByRole("combobox", { name: label, exact: false }).or(page.getByLabel(label)).first().click();
  await page.getByRole("option", { name: option }).first().click();
}

/** The URI that the page of a running service shows when it is asked to. */
async function uriOf(page: Page, name: string): Promise<string> {
  await page.getByRole("heading", { level: 1, name: `${name} is running` }).waitFor();
  await page.getByRole("button", { name: "Show URI" }).click();
  return await page.getByText(/^(postgres|mysql):\/\//).innerText();
}

async function opened(shop: ShopDatabase, uri: string): Promise<ShopConnection> {
  const connection = await shop.connect(uri);
  await connection.createTables();
  for (let id = 1; id <= 20; id += 1) await connection.write(id);
  return connection;
}

async function reaches(name: string, at: Date): Promise<void> {
  await eventually(`the copy of ${name} reaches the last write`, async () => {
    const { locations } = await api.request<{
      locations: readonly { cloud: string; recovery_window: { latest_at: string } | null }[];
    }>("GET", `/project/demo/service/${name}/btar`);
    const window = locations.find(({ cloud }) => cloud === south)?.recovery_window;
    return window && new Date(window.latest_at) > at ? true : undefined;
  });
}

test("F2, R1: by clicks alone, two databases are protected, lose their region, and are forked in the other one", async () => {
  const viewport = { width: 1280, height: 900 };
  const pages = await ConsolePages.open(browser, {
    ...{ url: server.url, viewport, colorScheme: "light", email: adminEmail },
    password,
  });
  const { page } = pages;
  await create(page, "shop", "PostgreSQL");
  await create(page, "orders", "MySQL");
  const mysql = await opened(mysqlShop, await uriOf(page, "orders"));
  await page.goto(`${server.url}/projects/demo/services/shop/progress`);
  const postgres = await opened(postgresShop, await uriOf(page, "shop"));

  await page.getByRole("link", { name: "Services", exact: true }).click();
  for (const name of ["shop", "orders"]) {
    const row = page.getByRole("row", { name });
    await row.getByText("protected", { exact: true }).waitFor();
  }
  await page.getByRole("list", { name: "Traffic between regions" }).getByText("2 copies").waitFor();
  await page.getByRole("link", { name: "shop" }).click();
  await page.getByRole("heading", { name: "Timeline" }).waitFor();
  await page
    .getByRole("button", { name: /^Fork from base backup of .* in local-south$/ })
    .first()
    .waitFor();

  const written = new Map([
    ["shop", await postgres.write(21)],
    ["orders", await mysql.write(21)],
  ]);
  for (const [name, at] of written) await reaches(name, at);
  const digests = { shop: await postgres.digests(), orders: await mysql.digests() };

  await new Region(north, { api, server }).lose([postgresShop.pidFile, mysqlShop.pidFile]);
  await Promise.allSettled([postgres.end(), mysql.end()]);
  await page
    .getByRole("alert")
    .getByText(/local-north is down/)
    .first()
    .waitFor();
  await page.getByRole("link", { name: "What to do" }).click();
  await page.getByRole("button", { name: "Fork 2 services…" }).click();
  await page.getByRole("button", { name: "Begin the forks" }).click();

  for (const [name, shop] of [
    ["shop", postgresShop],
    ["orders", mysqlShop],
  ] as const) {
    await page.getByRole("link", { name: "Regions" }).click();
    await page.getByRole("link", { name: `${name}-fork` }).click();
    const fork = await shop.connect(await uriOf(page, `${name}-fork`));
    assert.deepEqual(await fork.digests(), digests[name]);
    await fork.write(22);
    await fork.end();
  }
  assert.deepEqual(pages.troubles, []);
  await pages.close();
});
