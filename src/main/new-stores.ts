import type { Catalog } from "../catalog/catalog.ts";
import { BtarError, describeError } from "../domain/errors.ts";
import { createObjectStore } from "../object-store/open-object-store.ts";
import type { LoadedConfiguration } from "./load-configuration.ts";

const timeoutMs = 15_000;

/**
 * Makes sure that every store that was never used before can be used: a mistake in the configuration shows at once.
 * A store that was in use may be lost (R1), and is looked after by its agent.
 * @throws {BtarError} INVALID_CONFIGURATION with the store's place in the file
 */
export async function checkNewStores(loaded: LoadedConfiguration, catalog: Catalog): Promise<void> {
  const used = await catalog.db.selectFrom("cloud_state").select("cloud").where("is_initialized", "=", true).execute();
  const isNew = ({ name }: { readonly name: string }) => !used.some(({ cloud }) => cloud === name);
  await Promise.all(
    loaded.configuration.clouds.filter(isNew).map(async ({ name, storeUrl, storeCredentials }) => {
      const store = createObjectStore(storeUrl, { credentials: storeCredentials });
      try {
        await store.open({ create: true, signal: AbortSignal.timeout(timeoutMs) });
      } catch (cause) {
        const place = loaded.storePlaces.get(name);
        const isTimeout = cause instanceof BtarError && cause.code === "CANCELLED";
        const reason = isTimeout ? `no answer within ${timeoutMs / 1000} s` : describeError(cause);
        throw new BtarError("INVALID_CONFIGURATION", {
          message: `${place ? `${place}: ` : ""}the store of cloud ${name} cannot be used: ${reason}`,
          hint: "mend it, or take the cloud out of the configuration; a store that was in use once may be unreachable",
          cause,
        });
      } finally {
        await store.close();
      }
    }),
  );
}
