import type { CloneFacts, GtidBounds, MysqlBackupFacts } from "../backup-facts.ts";
import type { Donor } from "./donor.ts";
import { isUndoSpace } from "./page-layout.ts";
import type { FinishedFiles } from "./donor-files.ts";
import type { DonorParameters } from "./donor-parameters.ts";

/** A clone that was received whole, in whichever way. */
export interface CompleteClone {
  readonly files: FinishedFiles;
  readonly parameters: DonorParameters;
  readonly isRedoEncrypted: boolean;
  readonly how: CloneFacts;
}

/** What a restore needs to know of a clone. */
export function factsOfClone(donor: Donor, clone: CompleteClone, gtids: GtidBounds): MysqlBackupFacts {
  const { files, externalLocations, redoPaths } = clone.files;
  return {
    serverVersionNum: donor.versionNumber,
    pageBytes: donor.pageBytes,
    lowerCaseTableNames: donor.lowerCaseTableNames,
    dataFilePath: donor.dataFilePath,
    undoFiles: files.filter(({ spaceId }) => isUndoSpace(spaceId)).map(({ path }) => path),
    redoFiles: redoPaths,
    externalLocations: [...externalLocations].map(([path, location]) => ({ path, location })),
    encryption: {
      files: files.flatMap(({ path, layout }) => {
        if (!layout?.isEncrypted) return [];
        return [{ path, pageBytes: layout.pageBytes, keyOffset: layout.encryptionOffset }];
      }),
      isRedoEncrypted: clone.isRedoEncrypted,
      settings: donor.encryptionSettings,
    },
    gtids,
    configs: clone.parameters.configs,
    plugins: clone.parameters.plugins.flatMap(({ name, library }) => (library ? [{ name, library }] : [])),
    clone: clone.how,
  };
}
