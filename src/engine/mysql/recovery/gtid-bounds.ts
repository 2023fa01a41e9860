import Type from "typebox";
import { Check } from "typebox/value";
import type { GtidBounds } from "../../../domain/backup-for-gtid.ts";
import { GtidSet } from "../../../domain/gtid-set.ts";
import type { BaseBackupFacts } from "../../engine.ts";

const schema = Type.Object({ gtids: Type.Object({ atLeast: Type.String(), atMost: Type.String() }) });

/**
 * Which transactions the files of a base backup hold; undefined when its manifest does not tell.
 * @throws {BtarError} INVALID_INPUT when they are no sets
 */
export function gtidBounds({ engineFacts }: Pick<BaseBackupFacts, "engineFacts">): GtidBounds | undefined {
  const facts: unknown = engineFacts;
  if (!Check(schema, facts)) return undefined;
  return { atLeast: GtidSet.parse(facts.gtids.atLeast), atMost: GtidSet.parse(facts.gtids.atMost) };
}
