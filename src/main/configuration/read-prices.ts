import type { PricesConfiguration } from "../../contract/configuration.ts";
import { readPair } from "./read-bandwidth.ts";
import type { ConfigurationSection } from "./section.ts";

/** Reads what storage and traffic cost. @throws {BtarError} INVALID_CONFIGURATION */
export function readPrices(section: ConfigurationSection, clouds: readonly string[]): PricesConfiguration {
  const [stored, transferred] = [section.section("stored"), section.section("transferred")];
  const form = { path: "prices.transferred", example: "FROM->TO: NUMBER, such as local-north->local-south: 0.02" };
  return {
    currency: section.text("currency") ?? "",
    storedGbMonth: section.number("stored_gb_month"),
    transferredGb: section.number("transferred_gb"),
    stored: stored.numbers("NAME").map(([cloud, gbMonth]) => {
      if (clouds.includes(cloud)) return { cloud, gbMonth };
      throw stored.refuseAt(cloud, {
        what: `prices.stored has "${cloud}": there is no cloud ${cloud}`,
        hint: `there are: ${clouds.join(", ")}`,
      });
    }),
    transferred: transferred
      .numbers("PAIR")
      .map(([pair, gb]) => ({ ...readPair(transferred, pair, { ...form, clouds }), gb })),
  };
}
