// A logger that keeps what was said, so that a test can ask what an operator would read.
import type { Logger, LogLevel } from '@sluice/shared/log.ts';

export interface LogLine {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface RecordingLogger extends Logger {
  readonly lines: readonly LogLine[];
  /** Fields of every line with this message, oldest first. */
  said(message: RegExp): readonly Readonly<Record<string, unknown>>[];
}

export function recordingLogger(): RecordingLogger {
  const lines: LogLine[] = [];
  const at = (level: LogLevel) => (fields: Record<string, unknown>, message: string) =>
    void lines.push({ level, message, fields });
  return {
    lines,
    said: (message) => lines.filter((line) => message.test(line.message)).map(({ fields }) => fields),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
  };
}
