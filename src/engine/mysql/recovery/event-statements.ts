import type { EventBody } from "../binlog/event-scanner.ts";

/** As `information_schema.events` has it. `REPLICA_SIDE_DISABLED`: asked for by `DISABLE ON REPLICA`. */
export type EventStatus = "ENABLED" | "DISABLED" | "REPLICA_SIDE_DISABLED";

export interface EventName {
  readonly schema: string;
  readonly name: string;
}

/** A scheduled event that a log makes or changes, as it is afterwards. */
export interface ChangedEvent extends EventName {
  /** Undefined when no statement says: it is what it was before the log, when the event was called `was`. */
  readonly status?: EventStatus;
  readonly was?: EventName;
}

/**
 * Finds out from the statements of a log which scheduled events are to run. A server that applies a log disables each
 * event that is made or changed, and forgets what it was.
 */
export class EventStatements {
  readonly #events = new Map<string, ChangedEvent>();

  /** @param schema that the statement was executed in */
  add(schema: string, text: string): void {
    const said = parseEventStatement(text);
    if (!said) return;
    const event = { schema: said.schema ?? schema, name: said.name };
    if (said.verb === "DROP") this.#events.delete(keyOf(event));
    else if (said.verb === "CREATE") this.#put({ ...event, status: said.status ?? "ENABLED" });
    else this.#alter(event, said);
  }

  /** Those that are there in the end, as far as the log tells. */
  changed(): readonly ChangedEvent[] {
    return [...this.#events.values()];
  }

  #alter(event: EventName, { status, newSchema, newName }: EventStatement): void {
    const known = this.#events.get(keyOf(event)) ?? { ...event, was: event };
    this.#events.delete(keyOf(event));
    const renamed = newName === undefined ? event : { schema: newSchema ?? event.schema, name: newName };
    this.#put({ ...known, ...renamed, ...(status && { status }) });
  }

  #put(event: ChangedEvent): void {
    this.#events.set(keyOf(event), event);
  }
}

/** Events are told apart without regard to case, and so are schemas here. */
export function keyOf({ schema, name }: EventName): string {
  return `${schema}\0${name}`.toLowerCase();
}

/** Thread, seconds, length of the schema's name, error, length of the variables; then those, schema, NUL, statement. */
const fixedBytes = 13;
/** What is looked for stands at the beginning of a statement. */
const longestRead = 64 * 1024;
const shortestStatement = "DROP EVENT e".length;

/** Reads the statement of a query event, which a binary log has for each change of definitions. */
export class StatementReader implements EventBody {
  readonly #onStatement: (schema: string, text: string) => void;
  readonly #parts: Buffer[] = [];
  #length = 0;

  constructor(onStatement: (schema: string, text: string) => void) {
    this.#onStatement = onStatement;
  }

  take(bytes: Buffer): void {
    const wanted = bytes.subarray(0, longestRead - this.#length);
    if (wanted.length > 0) this.#parts.push(Buffer.from(wanted));
    this.#length += wanted.length;
  }

  end(): void {
    const body = Buffer.concat(this.#parts);
    if (body.length < fixedBytes) return;
    const schemaAt = fixedBytes + body.readUInt16LE(11);
    const schemaEnd = schemaAt + body.readUInt8(8);
    const statement = body.subarray(schemaEnd + 1);
    if (statement.length < shortestStatement) return; // BEGIN, above all
    this.#onStatement(body.toString("utf8", schemaAt, schemaEnd), statement.toString("utf8"));
  }
}

interface EventStatement {
  readonly verb: "CREATE" | "ALTER" | "DROP";
  readonly schema: string | undefined;
  readonly name: string;
  readonly status: EventStatus | undefined;
  readonly newSchema: string | undefined;
  readonly newName: string | undefined;
}

/** What stands before the name: `DEFINER = 'user'@'host'`. */
const mostTokensBefore = 8;

/**
 * Reads what a statement does to a scheduled event, up to what the event does.
 * @returns undefined for any other statement
 * @see https://dev.mysql.com/doc/refman/9.7/en/create-event.html
 */
export function parseEventStatement(text: string): EventStatement | undefined {
  if (!/\bevent\b/i.test(text)) return undefined;
  const tokens = tokensOf(text);
  const verb = tokens[0]?.word;
  if (verb !== "CREATE" && verb !== "ALTER" && verb !== "DROP") return undefined;
  const isDefinerGiven = tokens[1]?.word === "DEFINER";
  const eventAt = tokens.findIndex(({ word }) => word === "EVENT");
  if (eventAt < 1 || eventAt > (isDefinerGiven ? mostTokensBefore : 1)) return undefined;
  let at = eventAt + 1;
  while (["IF", "NOT", "EXISTS"].includes(tokens[at]?.word ?? "")) at += 1;
  const own = nameAt(tokens, at);
  if (!own) return undefined;
  const rest = tokens.slice(at);
  const renameAt = rest.findIndex(({ word }, index) => word === "RENAME" && rest[index + 1]?.word === "TO");
  const renamed = renameAt < 0 ? undefined : nameAt(rest, renameAt + 2);
  return { verb, ...own, status: statusIn(rest), newSchema: renamed?.schema, newName: renamed?.name };
}

function statusIn(tokens: readonly Token[]): EventStatus | undefined {
  const at = tokens.findLastIndex(({ word }, index) => {
    const isName = index === 0 || tokens[index - 1]?.text === "." || tokens[index - 1]?.word === "TO";
    return !isName && (word === "ENABLE" || word === "DISABLE");
  });
  if (at < 0) return undefined;
  if (tokens[at]?.word === "ENABLE") return "ENABLED";
  return tokens[at + 1]?.word === "ON" ? "REPLICA_SIDE_DISABLED" : "DISABLED";
}

function nameAt(tokens: readonly Token[], at: number): { schema: string | undefined; name: string } | undefined {
  const [first, dot, second] = tokens.slice(at, at + 3);
  if (first === undefined) return undefined;
  if (dot?.text === "." && second) return { schema: first.text, name: second.text };
  return { schema: undefined, name: first.text };
}

interface Token {
  readonly text: string;
  /** In upper case, when it is a word without quotes. */
  readonly word: string | undefined;
}

const tokenPattern =
  /(?<skipped>\s+|--[\s][^\n]*|#[^\n]*|\/\*!\d*|\*\/|\/\*[\s\S]*?\*\/)|`(?<name>(?:[^`]|``)*)`|(?<string>'(?:[^'\\]|''|\\[\s\S])*'|"(?:[^"\\]|""|\\[\s\S])*")|(?<word>[\p{L}\p{N}_$]+)|(?<other>[\s\S])/gu;

/** Up to `DO`: the rest is what the event does. Comments that begin with an exclamation mark are executed. */
function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = [];
  for (const { groups = {} } of text.matchAll(tokenPattern)) {
    const { name, string, word, other } = groups;
    if (word?.toUpperCase() === "DO") break;
    if (name !== undefined) tokens.push({ text: name.replaceAll("``", "`"), word: undefined });
    // A name, too, where the server was told so (ANSI_QUOTES).
    if (string !== undefined) tokens.push({ text: string.slice(1, -1).replaceAll('""', '"'), word: undefined });
    if (word !== undefined) tokens.push({ text: word, word: word.toUpperCase() });
    if (other !== undefined) tokens.push({ text: other, word: undefined });
  }
  return tokens;
}
