import type { AddressInfo } from "node:net";
import { SMTPServer } from "smtp-server";
import type { KeyAndCertificate } from "../../src/platform/certificates.ts";

export interface ReceivedMail {
  readonly from: string;
  readonly to: readonly string[];
  readonly text: string;
}

interface MailReceiverOptions {
  /** `starttls` begins in plain text, and offers more. In plain text alone by default. */
  readonly tls?: KeyAndCertificate & { readonly from: "starttls" | "start" };
}

/** A real SMTP server that wants a user and a password, and keeps what comes. */
export class MailReceiver {
  readonly received: readonly ReceivedMail[];
  /** Which of `AUTH` and `MAIL` came without TLS. */
  readonly heardInPlain: readonly string[];
  readonly #server: SMTPServer;

  private constructor(account: { readonly user: string; readonly password: string }, { tls }: MailReceiverOptions) {
    const received: ReceivedMail[] = [];
    const heardInPlain: string[] = [];
    this.received = received;
    this.heardInPlain = heardInPlain;
    this.#server = new SMTPServer({
      // The program has a certificate of its own, which it would take for STARTTLS.
      ...(tls ? { secure: tls.from === "start", cert: tls.certificate, key: tls.privateKey } : {}),
      ...{ disabledCommands: tls?.from === "starttls" ? [] : ["STARTTLS"], allowInsecureAuth: true, logger: false },
      onAuth: ({ username, password }, { secure }, done) => {
        if (!secure) heardInPlain.push("AUTH");
        if (username === account.user && password === account.password) done(null, { user: username });
        else done(new Error("wrong user or password"));
      },
      onMailFrom: (_address, { secure }, done) => {
        if (!secure) heardInPlain.push("MAIL");
        done();
      },

      onRcptTo: ({ address }, _session, done) => {
        if (address.startsWith("nobody@")) done(Object.assign(new Error("no such mailbox"), { responseCode: 550 }));
        else done();
      },
      onData: (stream, { envelope: { mailFrom, rcptTo } }, done) => {
        const parts: Buffer[] = [];
        stream.on("data", (part: Buffer) => parts.push(part));
        stream.on("end", () => {
          const from = mailFrom === false ? "" : mailFrom.address;
          const text = Buffer.concat(parts).toString("utf8");
          received.push({ from, to: rcptTo.map(({ address }) => address), text });
          done();
        });
      },
    });
    // Clients that do not trust the certificate hang up.
    this.#server.on("error", () => undefined);
  }

  static async start(
    account: { readonly user: string; readonly password: string },
    options: MailReceiverOptions = {},
  ): Promise<MailReceiver> {
    const receiver = new MailReceiver(account, options);
    await new Promise<void>((resolve) => receiver.#server.listen(0, "127.0.0.1", resolve));
    return receiver;
  }

  get port(): number {
    return (this.#server.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
