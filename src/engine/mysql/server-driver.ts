import { rename } from "node:fs/promises";
import path from "node:path";
import { removeTree, syncDirectory } from "../../platform/files.ts";
import type { BaseBackupFacts, RecoveryPlan } from "../engine.ts";
import type {
  FeedLog,
  LogRestorer,
  RecoveryProgress,
  RecoveryResult,
  ServerDriver,
  ServerSpec,
  TablespaceChoice,
} from "../server.ts";
import { checkRestoreOver, dictionaryFile } from "./recovery/existing-directory.ts";
import { moveUpGeneralTablespaces } from "./recovery/external-files.ts";
import { gtidBounds } from "./recovery/gtid-bounds.ts";
import { firstLogPosition, planRecovery, type RecoveryRequest } from "./recovery/plan-recovery.ts";
import { prepareFiles } from "./recovery/prepare-files.ts";
import { checkRecoverable, recoverServer, replayDirectoryOf } from "./recovery/recover.ts";
import { recoveryFacts } from "./recovery/recovery-facts.ts";
import { readRelayedLog, relayIndexName, RelayLogRestorer } from "./recovery/relay-logs.ts";
import { writeRestoreGuide } from "./recovery/restore-guide.ts";
import { tablespacePlaces } from "./recovery/tablespaces.ts";
import { serverDirectory } from "./server/directory.ts";
import { MysqlManagedServers } from "./server/managed-server.ts";

/** Runs MySQL 8.0, 8.4 and 9.7 on this host, and rebuilds servers from backups. */
export class MysqlServerDriver extends MysqlManagedServers implements ServerDriver {
  readonly completedBy = [dictionaryFile];
  /** It only syncs what it has written itself. */
  readonly syncsRestoredFiles = false;
  readonly firstLogPosition = firstLogPosition;
  readonly gtidBounds = gtidBounds;
  readonly tablespacePlaces = tablespacePlaces;
  readonly checkRestoreOver = checkRestoreOver;

  filesDirectory(directory: string): string {
    return serverDirectory(directory).data;
  }

  async planRecovery(request: RecoveryRequest): Promise<RecoveryPlan> {
    return await planRecovery(request);
  }

  async checkRecoverable(facts: BaseBackupFacts, majorVersion: string): Promise<void> {
    checkRecoverable({ facts, installation: await this.installation(majorVersion) });
  }

  logRestorer(filesDirectory: string, facts: BaseBackupFacts, plan: RecoveryPlan): LogRestorer {
    return new RelayLogRestorer(replayDirectoryOf(filesDirectory), facts, plan);
  }

  async prepareRecovery(
    filesDirectory: string,
    request: {
      readonly facts: BaseBackupFacts;
      readonly plan: RecoveryPlan;
      readonly tablespaces: TablespaceChoice;
    },
  ): Promise<void> {
    const facts = recoveryFacts(request.facts);
    const places = tablespacePlaces(filesDirectory, request.facts, request.tablespaces);
    await prepareFiles(filesDirectory, facts, places);
    const inside = [...places].filter(([directory, place]) => place === path.join(filesDirectory, directory));
    await moveUpGeneralTablespaces(
      filesDirectory,
      inside.map(([directory]) => directory),
    );
    const directory = replayDirectoryOf(filesDirectory);
    const relayed = await readRelayedLog(directory);
    // A server looks for relay logs in its data directory only.
    for (const name of [...relayed.files, relayIndexName]) {
      await rename(path.join(directory, name), path.join(filesDirectory, name));
    }
    await syncDirectory(filesDirectory);
    const outside = [...places.values()].filter((place) => !inside.some(([, each]) => each === place));
    await writeRestoreGuide(filesDirectory, { facts, relayed, places: outside });
    await removeTree(directory);
  }

  async recover(
    directory: string,
    spec: ServerSpec,
    request: {
      readonly facts: BaseBackupFacts;
      readonly plan: RecoveryPlan;
      readonly feedLog?: FeedLog;
      readonly signal: AbortSignal;
      readonly onProgress?: (progress: RecoveryProgress) => void;
    },
  ): Promise<RecoveryResult> {
    const start = await this.startRequest(directory, spec, request.signal);
    return await recoverServer({ ...start, ...request, spec });
  }
}
