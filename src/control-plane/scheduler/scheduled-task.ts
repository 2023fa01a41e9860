import type { ToldTable } from "../../catalog/change-notices.ts";
import type { Clock } from "../../platform/clock.ts";

/** Something that is to be done again and again. */
export interface Task {
  readonly name: string;
  /** It is done no more often; and so often, unless it can wait for changes. */
  readonly everyMs: number;
  /** While changes are told, it is enough to do it after one of these tables, and so often in any case. */
  readonly after?: { readonly tables: readonly ToldTable[]; readonly anywayMs: number };
  /** @returns when it is to be done next though nothing changes; nothing: not before `anywayMs` */
  readonly run: () => Promise<Date | undefined> | Promise<void>;
}

/** A task, and whether it is due. */
export class ScheduledTask {
  readonly #task: Task;
  #lastRunAtMs: number | undefined;
  #isChanged = false;
  #nextAtMs = Number.POSITIVE_INFINITY;

  constructor(task: Task) {
    this.#task = task;
  }

  get name(): string {
    return this.#task.name;
  }

  /** @param table undefined: it may have been any */
  noteChange(table: string | undefined): void {
    const tables: readonly string[] = this.#task.after?.tables ?? [];
    if (table === undefined || tables.includes(table)) this.#isChanged = true;
  }

  isDue({ nowMs, areChangesTold }: { readonly nowMs: number; readonly areChangesTold: boolean }): boolean {
    if (this.#lastRunAtMs === undefined) return true;
    const { everyMs, after } = this.#task;
    const sinceMs = nowMs - this.#lastRunAtMs;
    if (sinceMs < everyMs) return false;
    if (!after || !areChangesTold) return true;
    return this.#isChanged || nowMs >= this.#nextAtMs || sinceMs >= after.anywayMs;
  }

  /** What failed is due again at once. */
  async run(clock: Clock): Promise<void> {
    this.#lastRunAtMs = clock.now().getTime();
    this.#isChanged = false; // before it looks: what changes from now on, it may not see
    try {
      const next = await this.#task.run();
      this.#nextAtMs = next?.getTime() ?? Number.POSITIVE_INFINITY;
    } catch (error) {
      this.#isChanged = true;
      throw error;
    }
  }
}
