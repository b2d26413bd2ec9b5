// What a line of text must look like: a regular expression with named groups, or a grok pattern that becomes
// one. The result is RE2's dialect, the whole line must match it, and its groups are known by position, so
// that no name of a config ever stands in SQL. Pure.
import type { PatternInput } from '../contracts.ts';
import { GROK_PATTERNS } from './grok-patterns.ts';

export interface TextPattern {
  /** Its first group is the line, the others are `groups` in order. */
  readonly regex: string;
  /** A name may come again: what matched is in one of them. */
  readonly groups: readonly TextGroup[];
  readonly problems: readonly string[];
}

export interface TextGroup {
  readonly name: string;
  /** A grok pattern may say `:int` or `:float`; else string. */
  readonly type: string;
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,99}$/;
const DEPTH_MAX = 16;
const PATTERN_CHARACTERS_MAX = 100_000;
const GROUPS_MAX = 200;

const GROK_TYPES: Readonly<Record<string, string>> = { int: 'bigint', float: 'double', string: 'string' };

export function textPattern(input: PatternInput): TextPattern {
  const problems: string[] = [];
  const types = new Map<string, string>();
  const source = input.kind === 'regex' ? input.pattern : expandGrok(input, { types, problems });
  const { regex, names } = namedGroups(source, problems);
  if (names.length === 0 && problems.length === 0) problems.push('the pattern has no named group');
  if (names.length > GROUPS_MAX) problems.push(`the pattern has more than ${GROUPS_MAX} named groups`);
  for (const name of names)
    if (!NAME.test(name)) problems.push(`the pattern's group '${name}' is no name of letters, digits and _`);
  return {
    regex: `\\A(${regex})\\r?\\n?\\z`,
    groups: names.map((name) => ({ name, type: types.get(name) ?? 'string' })),
    problems,
  };
}

interface Expansion {
  readonly types: Map<string, string>;
  readonly problems: string[];
}

/** %{NAME}, %{NAME:field} and %{NAME:field:type}, again and again, into one regular expression. */
function expandGrok({ pattern, patterns }: Extract<PatternInput, { kind: 'grok' }>, into: Expansion): string {
  const { types, problems } = into;
  let characters = 0;
  const expand = (text: string, depth: number): string =>
    text.replace(/%\{([^}:]*)(?::([^}:]*))?(?::([^}]*))?\}/g, (_all, name: string, field, type) => {
      const found = Object.hasOwn(patterns, name) ? patterns[name] : ownPattern(name);
      if (found === undefined || depth > DEPTH_MAX || characters > PATTERN_CHARACTERS_MAX) {
        problems.push(
          found === undefined ? `no grok pattern is named '${name}'` : `'${name}' is too deep or too long`,
        );
        return '';
      }
      characters += found.length;
      if (type !== undefined && !Object.hasOwn(GROK_TYPES, type))
        problems.push(`grok's type '${type}' is none of ${Object.keys(GROK_TYPES).join(', ')}`);
      if (type !== undefined && field !== undefined) types.set(field, GROK_TYPES[type] ?? 'string');
      return `${field === undefined ? '(?:' : `(?<${field}>`}${expand(found, depth + 1)})`;
    });
  return expand(pattern, 0);
}

const ownPattern = (name: string) => (Object.hasOwn(GROK_PATTERNS, name) ? GROK_PATTERNS[name] : undefined);

/** An escaped character, a class, or what opens a group. */
const TOKEN =
  /\\(?:Q.*?(?:\\E|$)|.)|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]|\((?:\?(?:P?<[^>=!][^>]*>|<?[=!]|>)?)?/gs;

/** Only named groups stay groups; what RE2 does not have is refused, or taken for the nearest it has. */
function namedGroups(source: string, problems: string[]): { regex: string; names: string[] } {
  const names: string[] = [];
  const regex = source.replace(TOKEN, (token) => {
    if (/^\\[1-9k]/.test(token)) problems.push(`'${token}' refers back to a group, which RE2 cannot`);
    if (!token.startsWith('(')) return token;
    if (token === '(' || token === '(?>') return '(?:';
    const name = /^\(\?P?<([^>=!][^>]*)>$/.exec(token)?.[1];
    if (name !== undefined) {
      names.push(name);
      return '(';
    }
    if (token !== '(?') problems.push(`'${token}' looks ahead or behind, which RE2 cannot`);
    return token;
  });
  return { regex, names };
}
