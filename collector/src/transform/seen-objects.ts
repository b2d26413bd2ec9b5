// Everything seen of one field over a sample of JSON objects, and which fields become columns of which type.
// An object is flattened into its fields; what is an array, a map with endless keys, or now this and now
// that, stays JSON text.
import { isMetadata } from './sql/metadata.ts';
import { commonType, numberKind, type SeenKind, textKind } from './value-types.ts';

export interface FieldSource {
  readonly path: readonly string[];
  readonly type: string;
}

const COLUMNS_MAX = 400;
const DEPTH_MAX = 8;
/** An inner object with more different keys than this is a map: its keys are data. */
const INNER_KEYS_MAX = 64;
const NOTED_MAX = 5;

/** A JSON number that kept its token: 1.0 is no integer, and long ones lose no digit. */
export class NumberToken {
  readonly token: string;

  constructor(token: string) {
    this.token = token;
  }
}

class SeenField {
  seen = 0;
  arrays = 0;
  readonly kinds = new Set<SeenKind>();
  object: SeenObject | undefined;

  add(value: unknown): void {
    this.seen++;
    if (value === null) return;
    if (Array.isArray(value)) this.arrays++;
    else if (typeof value === 'boolean') this.kinds.add('boolean');
    else if (typeof value === 'string') this.kinds.add(textKind(value));
    else if (value instanceof NumberToken) this.kinds.add(numberKind(value.token));
    else {
      this.object ??= new SeenObject();
      this.object.add(value as Record<string, unknown>);
    }
  }
}

export class SeenObject {
  readonly fields = new Map<string, SeenField>();

  add(object: Readonly<Record<string, unknown>>): void {
    for (const [key, value] of Object.entries(object)) {
      let field = this.fields.get(key);
      if (field === undefined) {
        field = new SeenField();
        this.fields.set(key, field);
      }
      field.add(value);
    }
  }
}

/**
 * The columns of a sample, in the order in which fields first came. What is odd about one is said in `notes`.
 */
export function fieldSources(seen: SeenObject, notes: string[]): FieldSource[] {
  const remarks = new Remarks();
  const found = walk(seen, [], remarks);
  const kept = mostSeen(found);
  if (kept.length < found.length)
    notes.push(
      `${found.length - kept.length} rarer fields are left out: ${COLUMNS_MAX} columns are enough to begin with`,
    );
  notes.push(...remarks.sentences());
  return kept.map(({ path, type }) => ({ path, type }));
}

interface Found extends FieldSource {
  readonly seen: number;
}

function walk(object: SeenObject, parents: readonly string[], remarks: Remarks): Found[] {
  return [...withoutTwins(object, parents, remarks)].flatMap(([key, field]) => {
    const path = [...parents, key];
    if (!isAddressable(path)) {
      remarks.add('no mapping can name this; left out', path.join('.'));
      return [];
    }
    const why = whyText(field, path.length);
    if (why !== undefined) remarks.add(why, path.join('.'));
    const inner = why === undefined ? field.object : undefined;
    if (inner !== undefined && inner.fields.size > 0) return walk(inner, path, remarks);
    const type = why === undefined ? commonType(field.kinds) : 'string';
    return [{ path, type, seen: field.seen }];
  });
}

const TEXTS: readonly SeenKind[] = ['string', 'timestamp', 'date'];

/** What keeps a field from having a type of its own or columns below it. */
function whyText({ object, arrays, kinds }: SeenField, depth: number): string | undefined {
  const scalar = kinds.size > 0;
  if (arrays > 0) {
    if (object !== undefined || scalar) return 'of several types, kept as text';
    return 'arrays, kept as JSON text';
  }
  if (object !== undefined) {
    if (scalar) return 'an object in some records only, kept as JSON text';
    const isMap = object.fields.size > INNER_KEYS_MAX || depth >= DEPTH_MAX;
    return isMap ? 'deep, or with other keys in every record, kept as JSON text' : undefined;
  }
  const hasTexts = [...kinds].every((kind) => TEXTS.includes(kind));
  return commonType(kinds) === 'string' && scalar && !hasTexts ? 'of several types, kept as text' : undefined;
}

/** A mapping splits its source at dots, and the record's metadata have names of their own. */
function isAddressable(path: readonly string[]): boolean {
  const [first] = path;
  if (path.length === 1 && isMetadata(first ?? '')) return false;
  return path.every((part) => part !== '' && !part.includes('.') && !part.includes('\0'));
}

/** Fields of one object that differ only in case are one to SQL: the one that came more often is read. */
function withoutTwins(
  object: SeenObject,
  parents: readonly string[],
  remarks: Remarks,
): Map<string, SeenField> {
  const kept = new Map(object.fields);
  for (const twins of Map.groupBy(object.fields, ([key]) => key.toLowerCase()).values()) {
    const [, ...others] = twins.sort(([, a], [, b]) => b.seen - a.seen);
    for (const [key] of others) {
      kept.delete(key);
      remarks.add('differs from another field only in case; left out', [...parents, key].join('.'));
    }
  }
  return kept;
}

function mostSeen(found: readonly Found[]): readonly Found[] {
  if (found.length <= COLUMNS_MAX) return found;
  const kept = new Set([...found].sort((a, b) => b.seen - a.seen).slice(0, COLUMNS_MAX));
  return found.filter((field) => kept.has(field));
}

/** One sentence for all fields of which the same is to be said. */
class Remarks {
  readonly #fields = new Map<string, string[]>();

  add(what: string, field: string): void {
    const fields = this.#fields.get(what);
    if (fields === undefined) this.#fields.set(what, [field]);
    else fields.push(field);
  }

  sentences(): string[] {
    return [...this.#fields].map(([what, fields]) => {
      const more = fields.length > NOTED_MAX ? ` and ${fields.length - NOTED_MAX} more` : '';
      return `${fields.slice(0, NOTED_MAX).join(', ')}${more}: ${what}`;
    });
  }
}
