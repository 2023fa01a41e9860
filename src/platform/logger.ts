import { type DestinationStream, type Logger, type LoggerOptions, pino } from "pino";

export type { Logger };
export type LogLevel = "trace" | "debug" | "info" | "warn" | "error";

const secretFields = [
  "password",
  "token",
  "secret",
  "key",
  "privateKey",
  "masterKey",
  "accessKeyId",
  "secretAccessKey",
  "sessionToken",
  "authorization",
];

/** Secrets do not reach a log even where a whole object is logged, at the top or up to three levels down. */
const redactedPaths = ["", "*.", "*.*.", "*.*.*."].flatMap((prefix) => secretFields.map((field) => prefix + field));

/**
 * A logger that writes one JSON object per line; the time is in UTC.
 * @param options.destination where lines go to; standard error when undefined, since standard output is for answers
 */
export function createLogger(options: {
  readonly level: LogLevel;
  readonly destination?: DestinationStream | undefined;
}): Logger {
  const settings: LoggerOptions = {
    level: options.level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: redactedPaths, censor: "[secret]" },
  };
  return pino(settings, options.destination ?? pino.destination({ fd: 2, sync: true }));
}
