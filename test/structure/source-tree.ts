// The repository's own sources as text: which file imports what, which lines are code, which functions are
// how long. Reads the layout that Biome gives every file, so that it needs no parser.
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { ROOT } from '../run/test-files.ts';

export interface Import {
  readonly from: string;
  /** As written. */
  readonly specifier: string;
  /** Path of the file meant, relative to the root; undefined for a package or a part of Node. */
  readonly target: string | undefined;
  /** Gone at run time. */
  readonly typeOnly: boolean;
}

const WORKSPACES = ['agent', 'collector', 'proto', 'shared'];

/** Sources of the product, generated ones included. */
export const productFiles: readonly string[] = WORKSPACES.flatMap((workspace) =>
  globSync(`${workspace}/src/**/*.ts`, { cwd: ROOT, exclude: (path) => path.endsWith('.d.ts') }),
).sort();

const isIgnored = (path: string) => /(^|\/)(node_modules|\.git|\.cache|\.demo|\.try)$/.test(path);

/** Everything that is committed, near enough. */
export const allFiles: readonly string[] = globSync('**/*.*', { cwd: ROOT, exclude: isIgnored }).sort();

export function textOf(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

/** Without comments; strings stay. */
export function codeOf(file: string): string {
  return textOf(file)
    .replace(/^\s*\/\*\*?[\s\S]*?\*\//gm, '')
    .replace(/(^|\s)\/\/ .*$/gm, '$1');
}

const STATIC = /^(?:import|export)\s+(type\s)?(?:[^;'"]*?\sfrom\s+)?['"]([^'"]+)['"]/gm;
const DYNAMIC = /\bimport\(\s*'([^']+)'\s*\)/g;

export function importsOf(file: string): Import[] {
  const code = codeOf(file);
  const found = (specifier: string, typeOnly: boolean): Import => ({
    from: file,
    specifier,
    target: resolve(file, specifier),
    typeOnly,
  });
  return [
    ...[...code.matchAll(STATIC)].map(([, type, specifier = '']) => found(specifier, type !== undefined)),
    ...[...code.matchAll(DYNAMIC)].map(([, specifier = '']) => found(specifier, false)),
  ];
}

function resolve(file: string, specifier: string): string | undefined {
  const [, workspace, path] = /^@sluice\/([^/]+)\/(.+)$/.exec(specifier) ?? [];
  if (workspace !== undefined) return workspace === 'deploy' ? `deploy/${path}` : `${workspace}/src/${path}`;
  return specifier.startsWith('.') ? normalize(join(dirname(file), specifier)) : undefined;
}

export interface MeasuredFunction {
  readonly place: string;
  /** Lines from head to end without those of the functions inside. */
  readonly ownLines: number;
}

const OPENS_FUNCTION = /(=>|\)(: .+)?) \{$/;
const NO_FUNCTION = /^\s*(\} )?(else )?(if|for|while|switch|catch)\b/;

const COMMENT = /^\s*(\/\/|\/\*|\*[ /])/;

/** Functions with a body of their own lines, comments apart, found by indentation. */
export function functionsOf(file: string): MeasuredFunction[] {
  const lines = textOf(file).split('\n');
  const indentOf = (line: string) => line.length - line.trimStart().length;
  const open: { from: number; indent: number; inside: number }[] = [];
  const measured: MeasuredFunction[] = [];
  lines.forEach((line, at) => {
    const top = open.at(-1);
    if (top !== undefined && COMMENT.test(line)) top.inside++;
    if (top !== undefined && indentOf(line) === top.indent && /^\s*\}/.test(line)) {
      open.pop();
      const total = at - top.from + 1;
      measured.push({ place: `${file}:${top.from + 1}`, ownLines: total - top.inside });
      const outer = open.at(-1);
      if (outer !== undefined) outer.inside += total;
    }
    if (!OPENS_FUNCTION.test(line)) return;
    const indent = indentOf(line);
    let from = at;
    if (/^\s*\)/.test(line))
      while (from > 0 && (indentOf(lines[from - 1] ?? '') > indent || lines[from - 1] === '')) from--;
    const head = line.trimStart().startsWith(')') ? (lines[from - 1] ?? '') : line;
    if (!NO_FUNCTION.test(head)) open.push({ from: at, indent, inside: 0 });
  });
  return measured;
}
