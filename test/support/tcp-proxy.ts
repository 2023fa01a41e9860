import { once } from "node:events";
import { createServer, connect, type Server, type Socket } from "node:net";

/** Stands between a client and a server of this machine, and does what networks do. */
export class TcpProxy implements AsyncDisposable {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #bytesLeft = Number.POSITIVE_INFINITY;
  #atEnd: "stall" | "cut" | "cut-once" = "stall";
  #limitReached = Promise.withResolvers<void>();
  #rewrite: { readonly from: Buffer; readonly to: Buffer } | undefined;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  /** @param targetPort of 127.0.0.1 */
  static async start(targetPort: number): Promise<TcpProxy> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("the proxy has no port");
    const proxy = new TcpProxy(server, address.port);
    server.on("connection", (client) => proxy.#connect(client, targetPort));
    return proxy;
  }

  /**
   * After that many more bytes from the server, nothing comes any more: silence, or the end of the connection; or all
   * connections end, and new ones are as before.
   */
  limitAnswers(bytes: number, atEnd: "stall" | "cut" | "cut-once"): void {
    this.#bytesLeft = bytes;
    this.#atEnd = atEnd;
    this.#limitReached = Promise.withResolvers();
  }

  /** Waits until so many bytes have come as `limitAnswers` was told last. */
  async limitReached(): Promise<void> {
    await this.#limitReached.promise;
  }

  unlimited(): void {
    this.#bytesLeft = Number.POSITIVE_INFINITY;
  }

  /** The first answer that has `from` in it has `to` there instead, of the same length. */
  rewriteOnce(from: Buffer, to: Buffer): void {
    this.#rewrite = { from, to };
  }

  /** Ends all connections, from one moment to the next. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  #connect(client: Socket, targetPort: number): void {
    const target = connect(targetPort, "127.0.0.1");
    for (const socket of [client, target]) {
      this.#sockets.add(socket);
      // Which error it was is the business of the two programs: they see their connections end.
      socket.on("error", () => undefined).on("close", () => this.#sockets.delete(socket));
    }
    client.pipe(target);
    client.on("close", () => target.destroy());
    target.on("data", (chunk: Buffer) => this.#answer(client, chunk));
    target.on("close", () => {
      if (!this.#isSilent) client.destroySoon();
    });
  }

  /** A network that has fallen silent does not tell of the end of a connection either. */
  get #isSilent(): boolean {
    return this.#bytesLeft === 0 && this.#atEnd === "stall";
  }

  #answer(client: Socket, chunk: Buffer): void {
    const at = this.#rewrite ? chunk.indexOf(this.#rewrite.from) : -1;
    if (at >= 0) {
      this.#rewrite?.to.copy(chunk, at);
      this.#rewrite = undefined;
    }
    if (this.#bytesLeft > 0) client.write(chunk.subarray(0, this.#bytesLeft));
    this.#bytesLeft = Math.max(0, this.#bytesLeft - chunk.length);
    if (this.#bytesLeft > 0) return;
    this.#limitReached.resolve();
    if (this.#atEnd === "cut") client.destroySoon();
    if (this.#atEnd !== "cut-once") return;
    this.unlimited();
    this.cut();
  }
}
