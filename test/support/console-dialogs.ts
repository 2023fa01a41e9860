import type { consolePaths } from "./console-pages.ts";

/** A dialog of the console, as one gets to it. */
export interface ConsoleDialog {
  readonly page: keyof typeof consolePaths;
  /** Accessible names of what is to be pressed, one after the other: buttons, then what their menus have. */
  readonly open: readonly (string | RegExp)[];
  readonly title: string | RegExp;
  /** What the API, or the dialog itself, refuses, and how the field says so. */
  readonly wrong?: { readonly fill: Readonly<Record<string, string>>; readonly action: string; readonly error: RegExp };
}

const noUser = "nobody@example.test";

/** All dialogs, those of one page together. */
export const consoleDialogs: readonly ConsoleDialog[] = [
  {
    ...{ page: "backups", open: ["Add secondary backup location"], title: "Add secondary backup location" },
    wrong: { fill: {}, action: "Add", error: /Choose a region first/ },
  },
  { page: "backups", open: ["Pause"], title: "Pause copying to aws-eu-central-1" },
  {
    ...{ page: "backups", open: ["More for aws-eu-central-1", "Edit: use another region…"] },
    title: "Use another region than aws-eu-central-1",
  },
  {
    ...{ page: "backups", open: ["More for aws-eu-central-1", "How long backups are kept…"] },
    title: "How long backups are kept in aws-eu-central-1",
    wrong: { fill: { Days: "99999" }, action: "Save", error: /retention_days/ },
  },
  { page: "backups", open: ["More for aws-eu-central-1", "Disable…"], title: "Disable aws-eu-central-1" },
  { page: "backups", open: [/^Actions for base backup/, "Delete…"], title: "Delete a base backup" },
  { page: "fork", open: ["Fork…"], title: "Fork shop as shop-fork" },
  { page: "progress", open: ["Cancel…"], title: "Cancel the fork" },
  {
    ...{ page: "connect", open: ["Add a user"], title: "Add a user" },
    wrong: { fill: { Name: "not a name" }, action: "Add", error: /username/ },
  },
  {
    ...{ page: "connect", open: ["Add a database"], title: "Add a database" },
    wrong: { fill: { Name: "shop_production" }, action: "Add", error: /shop_production/ },
  },
  { page: "connect", open: ["Delete database shop_production"], title: "Delete a database" },
  { page: "connect", open: ["Delete…"], title: "Delete this service" },
  {
    ...{ page: "settings", open: ["Add a member"], title: "Add a member" },
    wrong: { fill: { "E-mail": noUser }, action: "Add", error: new RegExp(noUser) },
  },
  { page: "settings", open: ["Delete the project…"], title: "Delete the project" },
  {
    ...{ page: "notifications", open: ["Add a destination"], title: "Add a destination" },
    wrong: { fill: { Name: "later", URL: "nowhere" }, action: "Add", error: /url/i },
  },
  { page: "notifications", open: ["More for on-call", "Delete…"], title: "Delete a destination" },
  {
    ...{ page: "projects", open: ["New project"], title: "New project" },
    wrong: { fill: { Name: "No Name" }, action: "Create", error: /project/ },
  },
  {
    ...{ page: "people", open: ["Add a person"], title: "Add a person" },
    wrong: { fill: { "E-mail": "nobody" }, action: "Add", error: /email/ },
  },
  { page: "people", open: ["Actions for nadia@example.test", "Delete…"], title: "Delete a person" },
  { page: "account", open: ["New token"], title: "New token" },
  { page: "account", open: [/^Revoke token/], title: "Revoke a token" },
];
