import { isMap, isScalar, isSeq, type LineCounter, type Node, type YAMLMap } from "yaml";
import { BtarError } from "../../domain/errors.ts";
import { nearestWord } from "../../domain/nearest-word.ts";
import { type ConfigurationOption, configurationOptions, keysBelow, type OptionRule } from "./options.ts";

/** Where a configuration is read from, to say where it is wrong. */
export interface ConfigurationSource {
  readonly file: string;
  readonly lines: LineCounter;
}

const sizeUnits: Readonly<Record<string, number>> = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

/** A mapping of the configuration file. What it may hold, and defaults, are in the table of options. */
export class ConfigurationSection {
  readonly #source: ConfigurationSource;
  readonly #node: Node | undefined;
  readonly #map: YAMLMap | undefined;
  /** As written: `clouds.aws-eu-west-1`. */
  readonly #path: string;
  /** As in the table of options: `clouds.NAME`. */
  readonly #pattern: string;

  constructor(
    source: ConfigurationSource,
    node: Node | null | undefined,
    at: { readonly path: string; readonly pattern: string } = { path: "", pattern: "" },
  ) {
    this.#source = source;
    this.#path = at.path;
    this.#pattern = at.pattern;
    if (isNothing(node)) return;
    this.#node = node;
    if (!isMap(node)) {
      throw this.refuse(node, { what: `${at.path || "the file"} is no mapping`, hint: "give KEY: VALUE lines" });
    }
    this.#map = node;
    this.#refuseUnknownKeys();
  }

  /** Whether it is in the file. */
  get isGiven(): boolean {
    return this.#node !== undefined;
  }

  has(key: string): boolean {
    return this.#nodeOf(key) !== undefined;
  }

  section(key: string): ConfigurationSection {
    return this.#child(key, key);
  }

  /** Sections under names of the user's choice, in the file's order. */
  named(placeholder: "NAME" | "VERSION"): readonly (readonly [string, ConfigurationSection])[] {
    return this.#keys().map((key) => [key, this.#child(key, placeholder)]);
  }

  /** The text under a key, else its default, else undefined. */
  text(key: string): string | undefined {
    const node = this.#nodeOf(key);
    if (node === undefined) return this.#option(key).default;
    const value = isScalar(node) ? node.value : undefined;
    if ((typeof value === "string" && value !== "") || typeof value === "number") return String(value);
    throw this.refuse(node, {
      what: `${this.#name(key)} is ${shown(node)}, not a text`,
      hint: `give ${this.#option(key).form}`,
    });
  }

  /** The number under a key, else its default, else undefined. */
  number(key: string): number | undefined {
    return this.#number(key, key);
  }

  /** Numbers under names of the user's choice, in the file's order. */
  numbers(placeholder: "NAME" | "PAIR"): readonly (readonly [string, number])[] {
    return this.#keys().flatMap((key) => {
      const value = this.#number(key, placeholder);
      return value === undefined ? [] : [[key, value] as const];
    });
  }

  #number(key: string, word: string): number | undefined {
    const { rule, default: otherwise } = this.#option(word);
    if (rule.kind !== "number") throw wrongKind(key, rule);
    const node = this.#nodeOf(key);
    if (node === undefined) return otherwise === undefined ? undefined : Number(otherwise);
    const value = isScalar(node) ? node.value : undefined;
    const fits = typeof value === "number" && value >= rule.min && value <= rule.max;
    if (fits && (!rule.isWhole || Number.isInteger(value))) return value;
    throw this.refuse(node, {
      what: `${this.#name(key)} is ${shown(node)}`,
      hint: `give a ${rule.isWhole ? "whole " : ""}number from ${rule.min} to ${rule.max}`,
    });
  }

  /** The bytes that a text such as `16MiB` under a key says, else its default. */
  size(key: string): number {
    return this.#size(key, key);
  }

  /** Sizes under names of the user's choice, in the file's order. */
  sizes(placeholder: "PAIR"): readonly (readonly [string, number])[] {
    return this.#keys().map((key) => [key, this.#size(key, placeholder)]);
  }

  #size(key: string, word: string): number {
    const { rule, default: otherwise } = this.#option(word);
    if (rule.kind !== "size") throw wrongKind(key, rule);
    const node = this.#nodeOf(key);
    const value = node === undefined ? otherwise : isScalar(node) ? node.value : shown(node);
    const given = String(value);
    const [, digits, unit] = /^(\d+)\s*(KiB|MiB|GiB|TiB)?$/.exec(given) ?? [];
    const bytes = Number(digits) * (unit === undefined ? 1 : (sizeUnits[unit] ?? Number.NaN));
    if (bytes >= rule.min && bytes <= rule.max) return bytes;
    throw this.refuseAt(key, {
      what: `${this.#name(key)} is "${given}"`,
      hint: `give a size from ${sizeText(rule.min)} to ${sizeText(rule.max)}, such as ${otherwise ?? "10MiB"}`,
    });
  }

  texts(key: string): readonly string[] | undefined {
    const node = this.#nodeOf(key);
    if (node === undefined) return undefined;
    const { rule } = this.#option(key);
    const isOneTaken = rule.kind === "texts" && rule.orOne === true;
    const nodes: readonly unknown[] = isSeq(node) ? node.items : isOneTaken ? [node] : [undefined];
    const items = nodes.map((item) => (isScalar(item) ? item.value : undefined));
    if (items.every((item): item is string => typeof item === "string" && item !== "")) return items;
    throw this.refuse(node, {
      what: `${this.#name(key)} is ${shown(node)}, not ${isOneTaken ? "a text or " : ""}a list of texts`,
      hint: `give ${this.#option(key).form}`,
    });
  }

  /** `FILE:LINE:COLUMN` of what a key holds, or of the section. */
  place(key: string | undefined): string {
    return this.#placeOf(key === undefined ? this.#node : this.#nodeOf(key));
  }

  /** The error for what a key holds, or should hold. */
  refuseAt(key: string | undefined, problem: { readonly what: string; readonly hint: string }): BtarError {
    return this.refuse(key === undefined ? this.#node : this.#nodeOf(key), problem);
  }

  refuse(node: Node | undefined, { what, hint }: { readonly what: string; readonly hint: string }): BtarError {
    return new BtarError("INVALID_CONFIGURATION", { message: `${this.#placeOf(node)}: ${what}`, hint });
  }

  #placeOf(node: Node | undefined): string {
    const { file, lines } = this.#source;
    const { line, col } = lines.linePos((node ?? this.#node)?.range?.[0] ?? 0);
    return `${file}:${Math.max(1, line)}:${Math.max(1, col)}`;
  }

  #child(key: string, word: string): ConfigurationSection {
    const pattern = this.#pattern === "" ? word : `${this.#pattern}.${word}`;
    return new ConfigurationSection(this.#source, this.#nodeOf(key), { path: this.#name(key), pattern });
  }

  #refuseUnknownKeys(): void {
    const known = keysBelow(this.#pattern);
    for (const { key } of this.#map?.items ?? []) {
      const name = nameOf(key);
      if (!known || known.includes(name) || known.includes("VERSION")) continue;
      const near = nearestWord(name, known);
      throw this.refuse(key as Node, {
        what: `unknown key ${this.#name(name)}`,
        hint: near ? `did you mean ${near}?` : `known keys: ${known.join(", ")}`,
      });
    }
  }

  #keys(): readonly string[] {
    return (this.#map?.items ?? []).map(({ key }) => nameOf(key));
  }

  #nodeOf(key: string): Node | undefined {
    // Looked up by what is written: `17:` is a number to YAML, and a name to us.
    const pair = this.#map?.items.find((item) => nameOf(item.key) === key);
    const node = pair?.value as Node | null | undefined;
    return isNothing(node) ? undefined : node;
  }

  #option(key: string): ConfigurationOption {
    const name = this.#pattern === "" ? key : `${this.#pattern}.${key}`;
    const option = (configurationOptions as Readonly<Record<string, ConfigurationOption>>)[name];
    if (option) return option;
    throw new BtarError("INTERNAL", { message: `configuration option ${name} is not in the table` });
  }

  #name(key: string): string {
    return this.#path === "" ? key : `${this.#path}.${key}`;
  }
}

function isNothing(node: Node | null | undefined): node is null | undefined {
  return node === null || node === undefined || (isScalar(node) && node.value === null);
}

function nameOf(key: unknown): string {
  return String(isScalar(key) ? (key.source ?? key.value) : key);
}

/** A value as the file has it, shortened. */
function shown(node: Node): string {
  if (!isScalar(node)) return isSeq(node) ? "a list" : "a mapping";
  return typeof node.value === "string" ? JSON.stringify(node.value.slice(0, 100)) : String(node.value);
}

function sizeText(bytes: number): string {
  const [unit, factor] = Object.entries(sizeUnits).findLast(([, value]) => bytes % value === 0) ?? ["", 1];
  return `${bytes / factor}${unit}`;
}

function wrongKind(key: string, rule: OptionRule): BtarError {
  return new BtarError("INTERNAL", { message: `configuration option ${key} is of kind ${rule.kind}` });
}
