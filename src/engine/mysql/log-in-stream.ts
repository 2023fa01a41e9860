import type net from "node:net";
import { Duplex } from "node:stream";

/**
 * What the MySQL library talks to instead of a socket, so that the socket below can be exchanged when TLS begins, and
 * taken away when the library has done its part.
 *
 * Before TLS, the server sends one packet and no more: whatever came after it would be plain text that somebody put
 * before the encrypted stream, and the library would take it for the server's.
 */
export class LogInStream extends Duplex {
  #socket: net.Socket;
  /** Bytes of the first packet that are still to come before TLS; undefined: all that comes is passed on. */
  #hello: { head: Buffer; remaining: number | undefined } | undefined;
  readonly #onData = (bytes: Buffer) => this.#receive(bytes);
  readonly #onEnd = () => this.push(null);
  readonly #onError = (error: Error) => this.destroy(error);
  readonly #onClose = () => this.destroy();

  constructor(socket: net.Socket, options: { readonly waitsForTls: boolean }) {
    super();
    this.#hello = options.waitsForTls ? { head: Buffer.alloc(0), remaining: undefined } : undefined;
    this.#socket = socket;
    this.#attach();
  }

  /** Goes on over `secured`, which lies over the socket until now. */
  exchange(secured: net.Socket): void {
    this.#detach();
    this.#hello = undefined;
    this.#socket = secured;
    this.#attach();
  }

  /** The socket, with which the stream has nothing to do any more; undefined when it received what nobody has read. */
  release(): net.Socket | undefined {
    if (this.readableLength > 0 || this.writableLength > 0) return undefined;
    this.#socket.pause();
    this.#detach();
    return this.#socket;
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#detach();
    // What a socket says after its end interests nobody, but without a listener it would end the process.
    this.#socket.on("error", () => undefined);
    this.#socket.destroy();
    done(error);
  }

  #attach(): void {
    this.#socket.on("data", this.#onData).on("end", this.#onEnd).on("error", this.#onError).on("close", this.#onClose);
  }

  #detach(): void {
    this.#socket.off("data", this.#onData).off("end", this.#onEnd);
    this.#socket.off("error", this.#onError).off("close", this.#onClose);
  }

  #receive(bytes: Buffer): void {
    if (this.#hello && !this.#isWithinHello(this.#hello, bytes)) {
      this.destroy(new Error("plain text came where TLS begins"));
      return;
    }
    if (!this.push(bytes)) this.#socket.pause();
  }

  /** Counts the first packet down: its first three bytes are its length, after four of them comes the payload. */
  #isWithinHello(hello: { head: Buffer; remaining: number | undefined }, bytes: Buffer): boolean {
    if (hello.remaining !== undefined) hello.remaining -= bytes.length;
    else {
      hello.head = Buffer.concat([hello.head, bytes]);
      if (hello.head.length >= 4) hello.remaining = hello.head.readUIntLE(0, 3) + 4 - hello.head.length;
    }
    return hello.remaining === undefined || hello.remaining >= 0;
  }
}
