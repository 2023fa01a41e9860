import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { RequestListener, Server } from "node:http";
import { createServer, type Server as TlsHttpServer } from "node:https";
import { createSecureContext } from "node:tls";
import { BtarError, describeError } from "../../domain/errors.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Logger } from "../../platform/logger.ts";
import { RepeatedWork } from "../../platform/repeated-work.ts";

/** Where certificate (with those between it and its authority) and private key are, PEM. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

interface CertificateAndKey {
  readonly cert: string;
  readonly key: string;
}

const lookEveryMs = 2000;
/** As long as other servers of fastify's keep idle connections. */
const keepAliveMs = 72_000;

/** Serves over TLS, and takes another certificate as soon as it is in the files. */
export class TlsServer {
  readonly #files: CertificateFiles;
  readonly #servers: TlsHttpServer[] = [];
  #current: CertificateAndKey;
  #watch: RepeatedWork | undefined;

  private constructor(files: CertificateFiles, current: CertificateAndKey) {
    this.#files = files;
    this.#current = current;
  }

  /** @throws {BtarError} INVALID_CONFIGURATION for files that cannot be used */
  static async open(files: CertificateFiles): Promise<TlsServer> {
    return new TlsServer(files, await readFiles(files));
  }

  /** When the certificate ends. */
  get endsAt(): Date {
    return new Date(new X509Certificate(this.#current.cert).validTo);
  }

  /** Makes a server that `listener` answers for. */
  create(listener: RequestListener): Server {
    const server = createServer({ ...this.#current, minVersion: "TLSv1.2" }, listener);
    server.keepAliveTimeout = keepAliveMs;
    this.#servers.push(server);
    return server;
  }

  /** Looks for another certificate until it is stopped; one that cannot be used is told, and the last one serves on. */
  watch({ clock, logger }: { readonly clock: Clock; readonly logger: Logger }): void {
    const take = async (): Promise<void> => {
      if (await this.#take()) logger.info({ endsAt: this.endsAt }, "the certificate was exchanged");
    };
    this.#watch = new RepeatedWork(take, {
      ...{ everyMs: lookEveryMs, clock },
      // Between the exchange of one file and of the other, they do not fit.
      onFailure: (reason) =>
        logger.warn({ reason }, "the certificate in the files cannot be used; the last one serves on"),
    });
    this.#watch.start();
  }

  async stop(): Promise<void> {
    await this.#watch?.stop();
  }

  /** @returns whether it is another one */
  async #take(): Promise<boolean> {
    const { cert, key } = await readFiles(this.#files);
    if (cert === this.#current.cert && key === this.#current.key) return false;
    this.#current = { cert, key };
    for (const server of this.#servers) server.setSecureContext({ cert, key, minVersion: "TLSv1.2" });
    return true;
  }
}

async function readFiles(files: CertificateFiles): Promise<CertificateAndKey> {
  const [cert, key] = [await readPem("certificate", files.certificate), await readPem("key", files.key)];
  try {
    createSecureContext({ cert, key });
    return { cert, key };
  } catch (cause) {
    throw new BtarError("INVALID_CONFIGURATION", {
      message: `tls.certificate ${files.certificate} and tls.key ${files.key} cannot be used: ${describeError(cause)}`,
      hint: "give PEM files of a certificate, followed by those between it and its authority, and of its private key without a passphrase",
      cause,
    });
  }
}

async function readPem(what: string, file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new BtarError("INVALID_CONFIGURATION", {
      message: `tls.${what} ${file} cannot be read: ${describeError(cause)}`,
      hint: "name a file that the user who runs btar can read",
      cause,
    });
  }
}
