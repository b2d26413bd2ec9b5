// Reads one strict YAML file against a schema. Every problem is reported at once, with its line, what is
// wrong and what to write instead; nothing of a bad file is used.
import { readFileSync } from 'node:fs';
import { type Document, isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { messageOf, SluiceError } from './errors.ts';

export interface ConfigProblem {
  /** 1-based; 0 where the file as a whole is meant. */
  readonly line: number;
  /** Dotted path of the key, e.g. `tables[0].window.every`. */
  readonly path: string;
  readonly message: string;
  readonly remedy: string;
}

/** CONFIG_INVALID with each problem on a line of its own. Exit code 78 (EX_CONFIG of sysexits.h). */
export class ConfigError extends SluiceError {
  readonly problems: readonly ConfigProblem[];

  constructor(file: string, problems: readonly ConfigProblem[]) {
    const lines = problems.map(
      (p) =>
        `  ${p.line > 0 ? `${file}:${p.line}  ` : ''}${p.path || '(file)'}: ${p.message}\n      → ${p.remedy}`,
    );
    super(
      'CONFIG_INVALID',
      `${problems.length} problem${problems.length === 1 ? '' : 's'} in ${file}\n${lines.join('\n')}`,
    );
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** Extra checks on the parsed value, e.g. SQL that must compile. */
export type Refine<T> = (
  value: T,
) => readonly { path: readonly (string | number)[]; message: string; remedy: string }[];

/** Where a file says what, for what is found wrong later. */
export interface WrittenConfig {
  /** As it was named. */
  readonly file: string;
  /** Of the key itself, or of the nearest place around it that is there. */
  lineOf(path: readonly (string | number)[]): number;
}

export interface ReadConfig<T> {
  readonly value: T;
  readonly written: WrittenConfig;
}

/** Throws ConfigError. */
export function loadConfigFile<S extends z.ZodType>(
  file: string,
  schema: S,
  refine?: Refine<z.output<S>>,
): ReadConfig<z.output<S>> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const message = `cannot be read: ${messageOf(error)}`;
    throw new ConfigError(file, [
      { line: 0, path: '', message, remedy: 'name an existing, readable file with --config' },
    ]);
  }
  return parseConfig({ file, text }, schema, refine);
}

export function parseConfig<S extends z.ZodType>(
  source: { file: string; text: string },
  schema: S,
  refine?: Refine<z.output<S>>,
): ReadConfig<z.output<S>> {
  const lines = new LineCounter();
  const document = parseDocument(source.text, { lineCounter: lines, uniqueKeys: true });
  if (document.errors.length > 0) {
    throw new ConfigError(
      source.file,
      document.errors.map((e) => ({
        line: e.linePos?.[0].line ?? 0,
        path: '',
        message: e.message.split('\n')[0] ?? e.message,
        remedy: 'correct the YAML here',
      })),
    );
  }
  const parsed = schema.safeParse(document.toJS());
  if (!parsed.success) throw new ConfigError(source.file, flatten(parsed.error.issues, document, lines));
  const refused = refine?.(parsed.data) ?? [];
  const at = (path: readonly (string | number)[]) => lineOf(path, document, lines);
  if (refused.length === 0) return { value: parsed.data, written: { file: source.file, lineOf: at } };
  throw new ConfigError(
    source.file,
    refused.map((r) => ({
      line: at(r.path),
      path: pathText(r.path),
      message: r.message,
      remedy: r.remedy,
    })),
  );
}

function flatten(
  issues: readonly z.core.$ZodIssue[],
  document: Document,
  lines: LineCounter,
): ConfigProblem[] {
  return issues.flatMap((issue) => {
    const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
    const at = (extra: readonly string[] = []) => ({
      line: lineOf([...path, ...extra], document, lines),
      path: pathText([...path, ...extra]),
    });
    switch (issue.code) {
      case 'unrecognized_keys':
        return issue.keys.map((key) => ({
          ...at([key]),
          message: 'unknown key',
          remedy: 'correct its spelling or remove it',
        }));
      case 'invalid_type':
        return [
          {
            ...at(),
            message: issue.message.replace(/^Invalid input: /, ''),
            remedy: `write a ${issue.expected} here`,
          },
        ];
      case 'invalid_union': {
        const meant = meantBranch(issue);
        if (meant !== undefined)
          return flatten(
            meant.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] })),
            document,
            lines,
          );
        const { unknown, known } = unknownToAll(issue);
        if (unknown.length > 0)
          return unknown.map((key) => ({
            ...at([key]),
            message: 'unknown key',
            remedy: `correct its spelling: one of ${known.join(', ')}`,
          }));
        return [
          {
            ...at(),
            message: unionMessage(issue),
            remedy: 'write it in one of the forms of README’s examples',
          },
        ];
      }
      case 'invalid_value':
        return [
          {
            ...at(),
            message: issue.message.replace(/^Invalid (input|option): /, ''),
            remedy: `one of: ${issue.values.join(', ')}`,
          },
        ];
      default:
        return [{ ...at(), message: issue.message, remedy: 'correct this value' }];
    }
  });
}

/** Said by a form that has other keys, or is another kind of value or another word. */
const isStrange = ({ path, code }: z.core.$ZodIssue) =>
  path.length === 0 && ['unrecognized_keys', 'invalid_type', 'invalid_value'].includes(code);

/** Of forms that differ in their keys, the only one that knows those that are there. */
function meantBranch(issue: z.core.$ZodIssueInvalidUnion): readonly z.core.$ZodIssue[] | undefined {
  const known = issue.errors.filter((branch) => !branch.some(isStrange));
  const differInKeys = issue.errors.some((branch) => branch.some((one) => one.code === 'unrecognized_keys'));
  return known.length === 1 && differInKeys ? known[0] : undefined;
}

/** Keys that no form knows, and those that the forms begin with. */
function unknownToAll({ errors }: z.core.$ZodIssueInvalidUnion) {
  if (!errors.every((branch) => branch.some(isStrange))) return { unknown: [], known: [] };
  const atTop = (branch: readonly z.core.$ZodIssue[]) =>
    branch.flatMap((one) => (one.code === 'unrecognized_keys' && one.path.length === 0 ? one.keys : []));
  const [first = [], ...others] = errors.map(atTop).filter((keys) => keys.length > 0);
  const missing = errors.flatMap((branch) => branch.filter(({ path }) => path.length === 1));
  return {
    unknown: first.filter((key) => others.every((keys) => keys.includes(key))),
    known: [...new Set(missing.map(({ path }) => String(path[0])))],
  };
}

/** The most helpful branch of a union is the one with the fewest complaints. */
function unionMessage(issue: z.core.$ZodIssueInvalidUnion): string {
  const branches = [...issue.errors].sort((a, b) => a.length - b.length);
  const first = branches[0]?.[0];
  if (first === undefined) return 'no known form';
  const path = first.path.length > 0 ? `${first.path.join('.')}: ` : '';
  return `no known form fits (${path}${first.message.replace(/^Invalid (input|option): /, '')})`;
}

function lineOf(path: readonly (string | number)[], document: Document, lines: LineCounter): number {
  for (let length = path.length; length > 0; length--) {
    const parent: unknown = document.getIn(path.slice(0, length - 1), true);
    const name = path[length - 1];
    const key = isMap(parent)
      ? parent.items.find((pair) => isScalar(pair.key) && pair.key.value === name)?.key
      : document.getIn(path.slice(0, length), true);
    const range = (key as { range?: readonly number[] } | undefined)?.range;
    if (range?.[0] !== undefined) return lines.linePos(range[0]).line;
  }
  return 1;
}

function pathText(path: readonly (string | number)[]): string {
  return path
    .map((part, i) => (typeof part === 'number' ? `[${part}]` : i === 0 ? part : `.${part}`))
    .join('');
}
