import type { BtarConfiguration } from "../../contract/configuration.ts";
import type { CopyPrices } from "../../domain/copy-estimate.ts";

/** What a copy from one cloud to another is paid for; undefined when nothing is said of either. */
export function pricesFor(
  { prices }: Pick<BtarConfiguration, "prices">,
  pair: { readonly from: string; readonly to: string },
): CopyPrices | undefined {
  const storedGbMonth = prices.stored.find(({ cloud }) => cloud === pair.to)?.gbMonth ?? prices.storedGbMonth;
  const transferredGb =
    prices.transferred.find(({ from, to }) => from === pair.from && to === pair.to)?.gb ?? prices.transferredGb;
  return storedGbMonth === undefined && transferredGb === undefined ? undefined : { storedGbMonth, transferredGb };
}
