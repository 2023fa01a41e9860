import Type from "typebox";
import { Check } from "typebox/value";
import type { GtidBounds } from "../../../domain/backup-for-gtid.ts";
import { BtarError } from "../../../domain/errors.ts";
import { GtidSet } from "../../../domain/gtid-set.ts";
import type { BaseBackupFacts } from "../../engine.ts";

const schema = Type.Object({ gtids: Type.Object({ atLeast: Type.String(), atMost: Type.String() }) });

/**
 * Which transactions the files of a base backup hold; undefined when its manifest does not tell.
 * @throws {BtarError} OBJECT_DAMAGED
 */
export function gtidBounds({ engineFacts }: Pick<BaseBackupFacts, "engineFacts">): GtidBounds | undefined {
  const facts: unknown = engineFacts;
  if (!Check(schema, facts)) return undefined;
  try {
    return { atLeast: GtidSet.parse(facts.gtids.atLeast), atMost: GtidSet.parse(facts.gtids.atMost) };
  } catch (cause) {
    throw new BtarError("OBJECT_DAMAGED", {
      message: "the base backup's manifest tells its transactions by what are no sets of GTIDs",
      hint: "use another backup, or the same one of another location",
      cause,
    });
  }
}
