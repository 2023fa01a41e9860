/** What a click on a moment of the timeline, or on a base backup, is for. */
export type ClickPurpose = "fork" | "choose";

/** @param from a location @param what a moment, or a base backup */
export type Choose = (from: string, what: { readonly at?: Date; readonly backup?: string }) => void;

interface ClickWords {
  /** What it does, of the timeline as a whole. */
  readonly about: string;
  readonly marker: string;
  readonly ground: (cloud: string) => string;
}

const words: Readonly<Record<ClickPurpose, ClickWords>> = {
  fork: {
    about: " A click on a moment, or on a base backup, begins a fork there.",
    marker: "Fork from base backup",
    ground: (cloud) => `Moment to fork ${cloud} at; Enter begins the fork`,
  },
  choose: {
    about: " A click on a moment, or on a base backup, chooses it.",
    marker: "Choose base backup",
    ground: (cloud) => `Moment to fork ${cloud} at; Enter chooses it`,
  },
};

const looking: ClickWords = { about: "", marker: "Base backup", ground: (cloud) => `Moment in ${cloud}` };

/** @param does undefined: there is nothing to click */
export function clickWords(does: ClickPurpose | undefined): ClickWords {
  return does === undefined ? looking : words[does];
}
