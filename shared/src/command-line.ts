// Command lines of both programs: `<program> <command> [--option value]`, with help that is generated from
// what exists.
import { parseArgs } from 'node:util';
import { EXIT, reportFatal } from './process-life.ts';

export interface Command {
  /** One line for the list of commands. */
  readonly summary: string;
  /** Options with a value, by name: what it means. `positionals` names what may follow the command. */
  readonly options?: Readonly<Record<string, string>>;
  readonly flags?: Readonly<Record<string, string>>;
  readonly positionals?: string;
  run(call: CommandCall): Promise<number>;
}

export interface CommandCall {
  readonly options: Readonly<Record<string, string | undefined>>;
  readonly flags: Readonly<Record<string, boolean>>;
  readonly positionals: readonly string[];
}

/**
 * Runs one command and resolves with the exit code; 64 (EX_USAGE) with the reason for what cannot be parsed.
 */
export async function runCommandLine(
  program: string,
  commands: Readonly<Record<string, Command>>,
  args: readonly string[],
): Promise<number> {
  const [name = 'help', ...rest] = args;
  const command = commands[name];
  if (command === undefined) {
    const asked = ['help', '--help', '-h'].includes(name);
    const stream = asked ? process.stdout : process.stderr;
    if (!asked) stream.write(`${program}: unknown command '${name}'\n\n`);
    stream.write(help(program, commands));
    return asked ? EXIT.ok : EXIT.usage;
  }
  try {
    const call = parse(command, rest);
    if (call === undefined) {
      process.stdout.write(helpOf(program, name, command));
      return EXIT.ok;
    }
    return await command.run(call);
  } catch (error) {
    if (isUsage(error)) {
      process.stderr.write(`${program} ${name}: ${error.message}\n\n${helpOf(program, name, command)}`);
      return EXIT.usage;
    }
    return reportFatal(program, error);
  }
}

function parse(command: Command, args: readonly string[]): CommandCall | undefined {
  const options = {
    help: { type: 'boolean' as const, short: 'h' },
    ...Object.fromEntries(Object.keys(command.options ?? {}).map((o) => [o, { type: 'string' as const }])),
    ...Object.fromEntries(Object.keys(command.flags ?? {}).map((f) => [f, { type: 'boolean' as const }])),
  };
  const allowPositionals = command.positionals !== undefined;
  const parsed = parseArgs({ args: [...args], options, allowPositionals, strict: true });
  const { positionals } = parsed;
  const values: Readonly<Record<string, unknown>> = parsed.values;
  if (values['help'] === true) return undefined;
  const text = (key: string) => {
    const value = values[key];
    return typeof value === 'string' ? value : undefined;
  };
  return {
    options: Object.fromEntries(Object.keys(command.options ?? {}).map((o) => [o, text(o)])),
    flags: Object.fromEntries(Object.keys(command.flags ?? {}).map((f) => [f, values[f] === true])),
    positionals,
  };
}

/** A wrong call of a command; shown with its help. */
export class UsageError extends Error {}

function isUsage(error: unknown): error is Error {
  if (error instanceof UsageError) return true;
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' && code.startsWith('ERR_PARSE_ARGS');
}

function help(program: string, commands: Readonly<Record<string, Command>>): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length));
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  return `usage: ${program} <command> [options]\n\n${lines.join('\n')}\n\n${program} <command> --help says more.\n`;
}

function helpOf(
  program: string,
  name: string,
  { summary, options = {}, flags = {}, positionals }: Command,
): string {
  const rows = [
    ...Object.entries(options).map(([o, what]) => [`--${o} <value>`, what] as const),
    ...Object.entries(flags).map(([f, what]) => [`--${f}`, what] as const),
  ];
  const width = Math.max(0, ...rows.map(([left]) => left.length));
  const listed = rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n');
  return `usage: ${program} ${name} [options]${positionals === undefined ? '' : ` ${positionals}`}\n\n${summary}\n${listed === '' ? '' : `\n${listed}\n`}`;
}
