import type { CatalogDatabase } from "./catalog.ts";
import type { JobProgress, ShownProgress } from "./work-tables.ts";

const progressIntervalMs = 1000;

/** Writes a job's progress to the catalog, at most once a second; a lost update is followed by the next one. */
export class JobDisplay {
  readonly #db: CatalogDatabase;
  readonly #id: string;
  #progress: ShownProgress | undefined;
  #trouble: string | null = null;
  #isDirty = false;
  #lastWriteAt = 0;
  #writing: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  constructor(db: CatalogDatabase, id: string) {
    this.#db = db;
    this.#id = id;
  }

  progress(progress: JobProgress): void {
    const isSame = this.#progress?.phase === progress.phase;
    const { since, doneBefore } = isSame
      ? (this.#progress ?? {})
      : { since: new Date().toISOString(), doneBefore: progress.done };
    this.#progress = { ...progress, since, doneBefore };
    this.#schedule();
  }

  waiting(reason: string | undefined): void {
    this.#trouble = reason ?? null;
    this.#schedule();
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#write();
    await this.#writing;
  }

  #schedule(): void {
    this.#isDirty = true;
    if (this.#timer) return;
    const wait = Math.max(0, this.#lastWriteAt + progressIntervalMs - Date.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#write();
    }, wait);
  }

  #write(): void {
    if (!this.#isDirty) return;
    this.#isDirty = false;
    this.#lastWriteAt = Date.now();
    const values = {
      trouble: this.#trouble,
      ...(this.#progress ? { progress: JSON.stringify(this.#progress) } : {}),
    };
    this.#writing = this.#writing
      .then(() =>
        this.#db.updateTable("job").set(values).where("id", "=", this.#id).where("state", "=", "running").execute(),
      )
      .then(
        () => undefined,
        () => {
          this.#isDirty = true; // the catalog does not answer: what counts is written again when it does
        },
      );
  }
}
