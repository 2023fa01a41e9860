import { BtarError } from "../../domain/errors.ts";

/** What a log stream of MySQL is: the binary logs of one server, from one of its files on without a break. */
export interface BinlogStream {
  /** The `server_uuid`, in lower case. */
  readonly serverUuid: string;
  /**
   * When the file was created that the stream begins with, seconds since 1970. Binary logs that are reset, or
   * replaced, are numbered anew, and so begin another stream: positions of one mean nothing in the other.
   */
  readonly generation: number;
}

/**
 * `UUID.GGGGGGGG-00000000`: the server's UUID, and the generation as eight upper-case hex digits. What differs before
 * the last dash is another server to whoever looks for log that leads on from a backup.
 */
export function formatStreamName({ serverUuid, generation }: BinlogStream): string {
  return `${serverUuid}.${generation.toString(16).toUpperCase().padStart(8, "0")}-00000000`;
}

/** @throws {BtarError} INVALID_INPUT */
export function parseStreamName(name: string): BinlogStream {
  const [, serverUuid, generation] =
    /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([0-9A-F]{8})-00000000$/.exec(name) ?? [];
  if (serverUuid === undefined || generation === undefined) {
    throw new BtarError("INVALID_INPUT", {
      message: `"${name}" is not the name of a MySQL log stream`,
      hint: "the form is SERVER-UUID, a dot, eight hexadecimal digits, and -00000000",
    });
  }
  return { serverUuid, generation: Number.parseInt(generation, 16) };
}
