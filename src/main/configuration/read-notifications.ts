import type { BtarConfiguration, SmtpConfiguration } from "../../contract/configuration.ts";
import { isNetwork } from "../../platform/networks.ts";
import type { ConfigurationSection } from "./section.ts";

const usualPorts = { "smtp:": 587, "smtps:": 465 } as const;

/** @throws {BtarError} INVALID_CONFIGURATION */
export function readNotifications(section: ConfigurationSection): BtarConfiguration["notifications"] {
  return { allowedNetworks: readNetworks(section, "allowed_networks"), smtp: readSmtp(section.section("smtp")) };
}

/** Reads addresses and networks. @throws {BtarError} INVALID_CONFIGURATION */
export function readNetworks(section: ConfigurationSection, key: string): readonly string[] {
  const networks = section.texts(key) ?? [];
  const wrong = networks.find((text) => !isNetwork(text));
  if (wrong === undefined) return networks;
  throw section.refuseAt(key, {
    what: `${key} names "${wrong}"`,
    hint: "give IP addresses, or networks such as 10.0.0.0/24",
  });
}

function readSmtp(smtp: ConfigurationSection): SmtpConfiguration | undefined {
  if (!smtp.isGiven) return undefined;
  const [text, user, password, from] = [smtp.text("url"), smtp.text("user"), smtp.text("password"), smtp.text("from")];
  const form = "give smtp://HOST:PORT or smtps://HOST:PORT";
  if (text === undefined) throw smtp.refuseAt(undefined, { what: "notifications.smtp has no url", hint: form });
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const usualPort = usualPorts[url?.protocol as keyof typeof usualPorts] as number | undefined;
  const isPlain = url !== undefined && url.hostname !== "" && url.username === "" && /^\/?$/.test(url.pathname);
  if (!isPlain || usualPort === undefined) {
    throw smtp.refuseAt("url", {
      what: "notifications.smtp.url names no server",
      hint: `${form}; user and password stand beside it`,
    });
  }
  if (from === undefined || !/^(?:[^<>\r\n]*<[^\s@<>]+@[^\s@<>]+>|[^\s@<>]+@[^\s@<>]+)$/.test(from)) {
    throw smtp.refuseAt(from === undefined ? undefined : "from", {
      what: from === undefined ? "notifications.smtp has no from" : `notifications.smtp.from is "${from}"`,
      hint: "give the address that mail comes from, such as btar@example.com",
    });
  }
  if ((user === undefined) !== (password === undefined)) {
    throw smtp.refuseAt(undefined, {
      what: `notifications.smtp has no ${user === undefined ? "user" : "password"}`,
      hint: "give both, or neither",
    });
  }
  const port = url.port === "" ? usualPort : Number(url.port);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return { host, port, isTls: url.protocol === "smtps:", user, password, from };
}
