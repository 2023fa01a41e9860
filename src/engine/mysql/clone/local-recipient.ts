import path from "node:path";
import { BtarError, isBtarError } from "../../../domain/errors.ts";
import { ensureDirectory, freeBytes, statIfThere } from "../../../platform/files.ts";
import type { Logger } from "../../../platform/logger.ts";
import { formatAddress, isSocketFile } from "../../connection-error.ts";
import type { BaseBackupProgress, ScatteredFileSink, ServerAddress } from "../../engine.ts";
import type { RunAs } from "../../run-as.ts";
import { type InstallationPlaces, type MysqlInstallation, ServerInstallations } from "../server/installations.ts";
import { cloneInstance } from "./clone-instance.ts";
import type { CompleteClone } from "./clone-facts.ts";
import type { Donor } from "./donor.ts";
import { DonorRelay } from "./donor-relay.ts";
import { type DonorSurvey, surveyDonor } from "./donor-survey.ts";
import { fittingInstallation } from "./fitting-installation.ts";
import { storeReceived } from "./received-directory.ts";
import { recipientStreamCount } from "./recipient-cnf.ts";
import { RecipientServer, removeRecipients } from "./recipient-server.ts";

/** What a recipient takes of the disk before it has received anything. */
const ownBytes = 200 * 1024 * 1024;

/** From here on, MySQL clones without keeping the donor from changing tables meanwhile. */
const ddlAllowedFrom = 80_027;

const cloningPhase = "cloning to the agent's disk";

export interface LocalRecipientOptions extends InstallationPlaces {
  /** Recipients and what they receive go below it, for as long as it takes. No other process uses it. */
  readonly workDirectory: string;
  /** From `resolveRunAs`. */
  readonly runAs: RunAs | undefined;
  readonly logger: Logger;
}

export interface LocalCloneRequest {
  readonly donor: Donor;
  /** Why the clone is not streamed, for people. */
  readonly reason: string;
  readonly signal: AbortSignal;
  /** Stored with the files. */
  readonly modifiedAt: Date;
  /** Called when all is ready, before the clone begins. */
  readonly onStart: (recipient: { readonly version: string }) => void;
  readonly onProgress: (progress: BaseBackupProgress) => void;
}

/**
 * Receives clones of servers that a streamed clone cannot be had of, as MySQL itself does: a server of this host clones
 * them into a directory, from where the files are stored. It takes room for all of the data, meanwhile.
 */
export class LocalRecipient {
  readonly #options: LocalRecipientOptions;
  readonly #installations: ServerInstallations;

  constructor(options: LocalRecipientOptions) {
    this.#options = options;
    this.#installations = new ServerInstallations(options);
  }

  /**
   * To be followed by `refuseExternalNow`: whether all has come can only be asked afterwards.
   * @throws {BtarError} SERVER_BINARIES_MISSING, NOT_ENOUGH_ROOM, SERVER_REFUSED, SERVER_UNREACHABLE, CANCELLED, those
   *   of starting a server, and what the sink throws
   */
  async receive(address: ServerAddress, sink: ScatteredFileSink, request: LocalCloneRequest): Promise<CompleteClone> {
    const { donor, reason } = request;
    const { workDirectory } = this.#options;
    const choice = { donor: donor.identity.version, reason };
    const installation = fittingInstallation(await this.#installations.list(), choice);
    const survey = await surveyDonor(address, request);
    await this.#checkPlugins(address, survey, installation);
    await ensureDirectory(workDirectory, { mode: 0o711 });
    await this.#checkRoom(address, survey);
    await using recipient = new RecipientServer(workDirectory);
    const directory = await this.#clone(address, recipient, { ...request, installation, survey });
    const { isRedoEncrypted, ...files } = await storeReceived(directory, sink, {
      ...request,
      masterKeys: await recipient.masterKeys(),
    });
    return {
      files,
      parameters: survey.parameters,
      isRedoEncrypted,
      how: {
        method: "local-recipient",
        reason,
        isDdlAllowed: donor.versionNumber >= ddlAllowedFrom,
        streamCount: recipientStreamCount,
        restartCount: await recipient.restartCount(),
      },
    };
  }

  /** Ends and removes what a process that was killed has left. To be called before anything is received. */
  async removeLeftovers(): Promise<void> {
    await removeRecipients(this.#options.workDirectory);
  }

  /** @returns the directory that has the clone; nothing runs any more then */
  async #clone(
    address: ServerAddress,
    recipient: RecipientServer,
    request: LocalCloneRequest & { readonly installation: MysqlInstallation; readonly survey: DonorSurvey },
  ): Promise<string> {
    const { installation, survey, signal, onStart, onProgress } = request;
    await using relay = await DonorRelay.open(address);
    await recipient.start({
      ...this.#options,
      ...{ installation, settings: survey.settings, authority: relay.authority, signal },
    });
    onStart(installation);
    try {
      return await cloneInstance({
        ...{ recipient: recipient.address, donor: address, via: relay, tlsClause: tlsClause(address), signal },
        directory: (attempt) => path.join(recipient.received, String(attempt)),
        onProgress: (progress) => onProgress({ ...progress, phase: cloningPhase }),
      });
    } catch (error) {
      if (isBtarError(error, "NOT_ENOUGH_ROOM")) throw this.#notEnoughRoom(error.message);
      // It knows better why the donor could not be reached.
      throw isBtarError(error, "SERVER_UNREACHABLE") ? (relay.failure ?? error) : error;
    } finally {
      await recipient.end();
    }
  }

  /** MySQL takes clones only of servers whose plugins it could load. */
  async #checkPlugins(
    address: ServerAddress,
    { parameters }: DonorSurvey,
    installation: MysqlInstallation,
  ): Promise<void> {
    const { version, pluginDirectory } = installation;
    const missing: string[] = [];
    for (const { name, library } of parameters.plugins) {
      if (library === undefined || (await statIfThere(path.join(pluginDirectory, library)))) continue;
      missing.push(`${name} (${library})`);
    }
    if (missing.length === 0) return;
    throw new BtarError("SERVER_REFUSED", {
      message:
        `MySQL ${version} of this host cannot receive a clone of MySQL at ${formatAddress(address)}, since it lacks ` +
        `plugins that are active there: ${missing.join(", ")}`,
      hint: `install their libraries in ${pluginDirectory}, or uninstall the plugins there`,
      details: { missing },
    });
  }

  async #checkRoom(address: ServerAddress, { cloneBytes }: DonorSurvey): Promise<void> {
    const needed = cloneBytes + ownBytes;
    const free = await freeBytes(this.#options.workDirectory);
    if (free >= needed) return;
    throw this.#notEnoughRoom(
      `the clone of MySQL at ${formatAddress(address)} needs about ${needed} bytes, ${free} are free`,
    );
  }

  #notEnoughRoom(why: string): BtarError {
    const { workDirectory } = this.#options;
    return new BtarError("NOT_ENOUGH_ROOM", {
      message: `${workDirectory} has no room to receive a clone: ${why}`,
      hint: "make room there, or let engines.mysql.clone_directory name a place that has it; it is tried again by itself",
      details: { directory: workDirectory },
    });
  }
}

/** To the relay, which does with the donor what the address says. */
function tlsClause(address: ServerAddress): string {
  // By its socket file, a server takes passwords as if by TLS, with or without.
  if (isSocketFile(address)) return "";
  return address.tls.mode === "disable" ? "REQUIRE NO SSL" : "REQUIRE SSL";
}
