import type { AddressInfo } from "node:net";
import { SMTPServer } from "smtp-server";

export interface ReceivedMail {
  readonly from: string;
  readonly to: readonly string[];
  readonly text: string;
}

/** A real SMTP server that wants a user and a password, and keeps what comes. */
export class MailReceiver {
  readonly received: readonly ReceivedMail[];
  readonly #server: SMTPServer;

  private constructor(server: SMTPServer, received: readonly ReceivedMail[]) {
    this.#server = server;
    this.received = received;
  }

  static async start(account: { readonly user: string; readonly password: string }): Promise<MailReceiver> {
    const received: ReceivedMail[] = [];
    const server = new SMTPServer({
      ...{ hideSTARTTLS: true, allowInsecureAuth: true, logger: false },
      onAuth: ({ username, password }, _session, done) => {
        if (username === account.user && password === account.password) done(null, { user: username });
        else done(new Error("wrong user or password"));
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
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new MailReceiver(server, received);
  }

  get port(): number {
    return (this.#server.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
