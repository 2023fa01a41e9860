import Type from "typebox";
import { Check, Errors } from "typebox/value";
import { BtarError } from "../../../domain/errors.ts";
import type { BaseBackupFacts } from "../../engine.ts";
import type { MysqlBackupFacts } from "../backup-facts.ts";
import { encryptionVariables } from "../encryption.ts";

/** What a recovery reads of a base backup's own facts. */
export type RecoveryFacts = Pick<
  MysqlBackupFacts,
  | "serverVersionNum"
  | "pageBytes"
  | "lowerCaseTableNames"
  | "dataFilePath"
  | "redoFiles"
  | "externalLocations"
  | "encryption"
>;

const size = Type.Integer({ minimum: 0 });
/** Paths of the backup's own: relative, and never out of it. */
const pathInBackup = Type.String({ pattern: "^(?!/)(?!.*(?:^|/)\\.\\.?(?:/|$))[^\\0]+$" });

const schema = Type.Object({
  serverVersionNum: size,
  pageBytes: Type.Enum([4096, 8192, 16384, 32768, 65536]),
  lowerCaseTableNames: Type.Enum([0, 1, 2]),
  dataFilePath: Type.String({ pattern: "^[\\w.:;/ -]*$" }),
  redoFiles: Type.Array(pathInBackup),
  externalLocations: Type.Array(Type.Object({ path: pathInBackup, location: Type.String() })),
  encryption: Type.Object({
    files: Type.Array(Type.Object({ path: pathInBackup, pageBytes: size, keyOffset: size })),
    isRedoEncrypted: Type.Boolean(),
    settings: Type.Optional(Type.Array(Type.Enum([...encryptionVariables]))),
  }),
});

/** @throws {BtarError} OBJECT_DAMAGED */
export function recoveryFacts({ engineFacts }: Pick<BaseBackupFacts, "engineFacts">): RecoveryFacts {
  const facts: unknown = engineFacts;
  if (Check(schema, facts)) return facts as RecoveryFacts;
  const [first] = Errors(schema, facts);
  throw new BtarError("OBJECT_DAMAGED", {
    message: `the base backup's manifest has facts of MySQL that cannot be: ${first?.instancePath ?? ""} ${first?.message ?? ""}`,
    hint: "use another backup, or the same one of another location",
  });
}
