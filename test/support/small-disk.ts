import { execFileSync } from "node:child_process";
import { mkdirSync, statfsSync } from "node:fs";

const leftBytes = 1024 * 1024;

/** A disk of its own for a directory, in memory, that a test lets run full. */
export class SmallDisk implements Disposable {
  readonly directory: string;
  readonly #sizeBytes: number;

  private constructor(directory: string, sizeBytes: number) {
    this.directory = directory;
    this.#sizeBytes = sizeBytes;
  }

  /** Undefined where this user may not mount any. */
  static mount(directory: string, sizeBytes: number): SmallDisk | undefined {
    mkdirSync(directory, { recursive: true, mode: 0o711 });
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=${sizeBytes},mode=0711`, "tmpfs", directory], {
        stdio: "ignore",
      });
    } catch {
      return undefined;
    }
    return new SmallDisk(directory, sizeBytes);
  }

  /** Leaves next to no room beside what is there by now. */
  fill(): void {
    const { blocks, bfree, bsize } = statfsSync(this.directory);
    this.#resize((blocks - bfree) * bsize + leftBytes);
  }

  makeRoom(): void {
    this.#resize(this.#sizeBytes);
  }

  [Symbol.dispose](): void {
    execFileSync("umount", ["-l", this.directory]);
  }

  #resize(bytes: number): void {
    execFileSync("mount", ["-o", `remount,size=${bytes}`, this.directory]);
  }
}
