import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { performance } from "node:perf_hooks";

export interface TimedAnswer {
  readonly ms: number;
  /** Of the body. */
  readonly bytes: number;
}

const endOfHeaders = "\r\n\r\n";

/**
 * One connection that is kept open, for one request after the other. It shares the machine's cores with what it measures,
 * so it does no more than to find the end of an answer: a client of HTTP that knows all of it costs as much as the server.
 */
export class MeasuringClient {
  readonly #socket: Socket;
  readonly #headers: string;
  #take: (part: Buffer) => void = () => undefined;
  #fail: (error: Error) => void = () => undefined;

  private constructor(socket: Socket, headers: string) {
    this.#socket = socket;
    this.#headers = headers;
    socket.on("data", (part) => this.#take(part));
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("the server has hung up")));
  }

  /** @param url of the server: `http:` */
  static async open(url: URL, token: string): Promise<MeasuringClient> {
    const socket = connect({ host: url.hostname, port: Number(url.port), noDelay: true });
    await once(socket, "connect");
    return new MeasuringClient(socket, `Host: ${url.host}\r\nAuthorization: aivenv1 ${token}`);
  }

  /** @throws what is not answered with 200 and a length */
  async get(path: string): Promise<TimedAnswer> {
    const startedAt = performance.now();
    const bytes = await new Promise<number>((resolve, reject) => {
      let [head, length, taken] = ["", -1, 0];
      this.#fail = reject;
      this.#take = (part) => {
        taken += part.length;
        if (length < 0) {
          head += part.toString("latin1");
          const end = head.indexOf(endOfHeaders);
          if (end < 0) return;
          length = Number(/^HTTP\/1\.1 200 [^]*\r\ncontent-length: (\d+)\r\n/i.exec(head.slice(0, end + 2))?.[1] ?? -1);
          if (length < 0) return reject(new Error(`${path} was answered with ${head.slice(0, end)}`));
          taken -= end + endOfHeaders.length;
        }
        if (taken >= length) resolve(length);
      };
      this.#socket.write(`GET ${path} HTTP/1.1\r\n${this.#headers}\r\n\r\n`);
    });
    return { ms: performance.now() - startedAt, bytes };
  }

  close(): void {
    this.#fail = () => undefined;
    this.#socket.destroy();
  }
}
