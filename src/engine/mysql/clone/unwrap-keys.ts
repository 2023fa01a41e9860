import { createDecipheriv } from "node:crypto";
import Type from "typebox";
import { Check } from "typebox/value";
import { BtarError } from "../../../domain/errors.ts";
import { readTextIfThere } from "../../../platform/files.ts";
import {
  checkEncryptionBlock,
  encryptionBlockBytes,
  encryptionKey,
  encryptionMasterKey,
  forgetMasterKey,
} from "./page-layout.ts";

/** What MySQL's keyring component writes, as far as master keys go; its keys are in hex. */
const keyringSchema = Type.Object({
  elements: Type.Array(Type.Object({ data_id: Type.String(), data: Type.String({ pattern: "^[0-9A-Fa-f]*$" }) })),
});

/** The master keys of a recipient, by which it wraps the keys of encrypted files. */
export class MasterKeys {
  readonly #keys: ReadonlyMap<string, Buffer>;

  private constructor(keys: ReadonlyMap<string, Buffer>) {
    this.#keys = keys;
  }

  /** @param file of the keyring; without one, or with an empty one, there are no keys */
  static async read(file: string): Promise<MasterKeys> {
    const text = await readTextIfThere(file);
    const content: unknown = text ? JSON.parse(text) : { elements: [] };
    const elements = Check(keyringSchema, content) ? content.elements : [];
    return new MasterKeys(new Map(elements.map((each) => [each.data_id, Buffer.from(each.data, "hex")])));
  }

  /**
   * Makes of the block that holds a file's key what a streamed clone has there: the key itself, of no master key. The
   * checksum of its page is made anew when the key is wrapped again, for a restore.
   * @param bytes of a file, changed in place
   * @returns whether there is a key
   * @throws {BtarError} SERVER_REFUSED when it cannot be had
   */
  unwrap(bytes: Buffer, { offset, name }: { readonly offset: number; readonly name: string }): boolean {
    const block = bytes.subarray(offset, offset + encryptionBlockBytes);
    const master = encryptionMasterKey(block);
    if (master === undefined) return false;
    const masterKey = this.#keys.get(`INNODBKey-${master.serverUuid}-${master.number}`);
    if (masterKey) {
      const key = encryptionKey(block);
      const decipher = createDecipheriv("aes-256-ecb", masterKey, null).setAutoPadding(false);
      Buffer.concat([decipher.update(key), decipher.final()]).copy(key);
      forgetMasterKey(block);
    }
    if (checkEncryptionBlock(block) === "sound") return true;
    throw new BtarError("SERVER_REFUSED", {
      message: `${name} is encrypted, and the MySQL that received it has its key in a keyring that btar cannot read`,
      hint: "let engines.mysql.basedir name a MySQL without a keyring of its own (mysqld.my) that has component_keyring_file.so",
    });
  }
}
