import Type from "typebox";
import { Check } from "typebox/value";
import { GtidSet } from "../../../domain/gtid-set.ts";
import type { BaseBackupFacts } from "../../engine.ts";

const schema = Type.Object({ gtids: Type.Object({ atLeast: Type.String(), atMost: Type.String() }) });

/**
 * Which transactions the files of a base backup hold, as far as its manifest tells: all of `atLeast`, and no others than
 * those of `atMost`.
 * @throws {BtarError} INVALID_INPUT when they are no sets
 */
export function gtidBounds({
  engineFacts,
}: Pick<BaseBackupFacts, "engineFacts">): { readonly atLeast: GtidSet; readonly atMost: GtidSet } | undefined {
  const facts: unknown = engineFacts;
  if (!Check(schema, facts)) return undefined;
  return { atLeast: GtidSet.parse(facts.gtids.atLeast), atMost: GtidSet.parse(facts.gtids.atMost) };
}
