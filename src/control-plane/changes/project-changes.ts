import { type ChangeMarks, changeMarks } from "../../catalog/change-marks.ts";
import type { Static } from "typebox";
import type { change } from "../../contract/changes.ts";
import { describeError } from "../../domain/errors.ts";
import type { ControlPlaneContext } from "../context.ts";
import { cloudStates } from "../status/cloud-states.ts";

export type Change = Static<typeof change>;

const lookEveryMs = 1000;

interface Seen extends ChangeMarks {
  readonly clouds: string;
}

/**
 * Tells what changes in a project, for as long as somebody listens. All listeners of a project share one look at the
 * catalog, whoever made the change: another server, an agent, or this one.
 */
export class ProjectChanges {
  readonly #context: ControlPlaneContext;
  readonly #project: string;
  readonly #listeners = new Set<(change: Change) => void>();
  #seen: Seen | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(context: ControlPlaneContext, project: string) {
    this.#context = context;
    this.#project = project;
  }

  /** @returns ends the listening */
  listen(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#schedule(0);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      clearTimeout(this.#timer);
      this.#seen = undefined;
    };
  }

  #schedule(waitMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#look(), waitMs);
  }

  async #look(): Promise<void> {
    try {
      const [marks, clouds] = await Promise.all([
        changeMarks(this.#context.catalog.db, this.#project),
        cloudStates(this.#context),
      ]);
      const states = clouds.map(({ cloud_name, trouble, agents }) => [
        cloud_name,
        trouble,
        agents.map((a) => a.agent_id),
      ]);
      this.#tell({ ...marks, clouds: JSON.stringify(states) });
    } catch (error) {
      // Listeners keep what they have seen; what has changed meanwhile is told when the catalog answers again.
      this.#context.logger.warn({ project: this.#project, reason: describeError(error) }, "changes cannot be seen now");
    }
    if (this.#listeners.size > 0) this.#schedule(lookEveryMs);
  }

  #tell(now: Seen): void {
    const before = this.#seen;
    this.#seen = now;
    if (!before) return;
    const names = new Set([...before.services.keys(), ...now.services.keys()]);
    const told: Change = {
      services: [...names].filter((name) => before.services.get(name) !== now.services.get(name)),
      clouds: before.clouds !== now.clouds,
      jobs: before.jobs !== now.jobs,
      events: before.events !== now.events,
    };
    if (told.services.length === 0 && !told.clouds && !told.jobs && !told.events) return;
    for (const listener of this.#listeners) listener(told);
  }
}
