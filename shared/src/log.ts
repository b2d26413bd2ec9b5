// Structured logs, one JSON object a line on stderr. Only the two events.ts files write to it, so that
// everything a program can say stands in one place. Secrets never come here: events take names and numbers,
// not config objects.
import pino from 'pino';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface Logger {
  debug(fields: Record<string, unknown>, message: string): void;
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
  error(fields: Record<string, unknown>, message: string): void;
}

/** Writes synchronously: the last line before a crash is the one that matters. */
export function createLogger(program: string, level: LogLevel): Logger {
  return pino(
    {
      level,
      base: { program },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ fd: 2, sync: true }),
  );
}

/** For tests and tools that report in another way. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
