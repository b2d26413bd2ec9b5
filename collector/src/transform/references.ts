// Reference files of lookups: copied beside a window, because DuckDB may read nothing else, and made a table
// of typed columns. A value that is not of its type, a key that is NULL or there twice, or a file that is too
// large stops the table and names the file.
import { copyFile, open, readFile, stat, writeFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { messageOf, SluiceError } from '@sluice/shared/errors.ts';
import { isRemote, REFERENCE_BYTES_MAX } from '../reference-place.ts';
import type { Database } from './duckdb.ts';
import { csvReader, mixedEnds } from './reference-csv.ts';
import { textsOfLines } from './reference-json.ts';
import { fromText } from './sql/conversions.ts';
import type { Reference } from './sql/steps/step.ts';
import { identifier, isScalar, literal } from './sql/types.ts';

/** Where files are that lie on S3: by their URL, the path of a copy, or none, whose table is empty. */
export type ReferenceCopies = Readonly<Record<string, string | undefined>>;

export interface ReferencePlace {
  /** Where DuckDB may read. */
  readonly directory: string;
  readonly copies: ReferenceCopies;
}

export async function loadReferences(
  database: Database,
  references: readonly Reference[],
  { directory, copies }: ReferencePlace,
): Promise<void> {
  for (const [index, reference] of references.entries()) {
    const { file } = reference;
    const path = isRemote(file) ? copies[file] : file;
    if (path === undefined) {
      await database.run(createSql(reference, index, undefined));
      continue;
    }
    const failed = (message: string, cause?: unknown) =>
      new SluiceError('REFERENCE_UNUSABLE', message, { place: file, cause });
    const kind = extname(file).slice(1);
    const copy = join(directory, `reference-${index}.${kind}`);
    try {
      const { size } = await stat(path);
      if (size > REFERENCE_BYTES_MAX) throw failed(`it has ${size} bytes, and ${REFERENCE_BYTES_MAX} may be`);
      const names = namesOf(reference);
      if (kind === 'json') await writeFile(copy, textsOfLines(await readFile(path, 'utf8'), names));
      else await copyFile(path, copy);
      const reader =
        kind === 'csv' ? csvReader(copy, await headOf(copy), names) : readerOf(kind, copy, names);
      await database.run(createSql(reference, index, reader));
    } catch (error) {
      if (error instanceof SluiceError) throw error;
      const mixed = kind === 'csv' ? mixedEnds(await readFile(copy, 'utf8')) : undefined;
      throw failed(mixed ?? messageOf(error).split('\n')[0] ?? '', error);
    }
    const problem = await problemOf(database, reference, index);
    if (problem !== undefined) throw failed(problem);
  }
}

const namesOf = ({ keys, columns }: Reference) => [...new Set([...keys, ...columns].map(({ of }) => of))];

function readerOf(kind: string, path: string, names: readonly string[]): string {
  if (kind === 'parquet') return `read_parquet(${literal(path)})`;
  const texts = names.map((name) => `${identifier(name)}: 'VARCHAR'`).join(', ');
  return `read_json(${literal(path)}, format = 'newline_delimited', columns = {${texts}})`;
}

/** Names of columns stand there, and need no more. */
const HEAD_BYTES = 64 * 2 ** 10;

async function headOf(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Texts beside values, so that what was lost on the way can be told; without a reader no rows. */
function createSql({ keys, columns }: Reference, index: number, reader: string | undefined): string {
  const all = [
    ...keys.map((one, i) => ({ ...one, name: `k${i}` })),
    ...columns.map((one, i) => ({ ...one, name: `c${i}` })),
  ];
  const of = (name: string) => (reader === undefined ? 'NULL' : identifier(name));
  const texts = all.map((one) => `${of(one.of)}::VARCHAR AS t_${one.name}`);
  const values = all.map(({ type, name }) => {
    const value = isScalar(type) ? fromText(type).value(`t_${name}`) : 'NULL';
    return `(${value})::${type.duckdb} AS ${name}`;
  });
  return (
    `CREATE OR REPLACE TABLE reference_${index} AS SELECT *, ${values.join(', ')} ` +
    `FROM (SELECT ${texts.join(', ')} FROM ${reader ?? 'range(0)'})`
  );
}

async function problemOf(
  database: Database,
  { keys, columns }: Reference,
  index: number,
): Promise<string | undefined> {
  const table = `reference_${index}`;
  const all = [
    ...keys.map((one, i) => ({ ...one, name: `k${i}` })),
    ...columns.map((one, i) => ({ ...one, name: `c${i}` })),
  ];
  for (const { of, type, name } of all) {
    const fails = isScalar(type) ? fromText(type).fails(`t_${name}`, name) : 'true';
    const [row] = await database.rows(`SELECT t_${name} AS value FROM ${table} WHERE ${fails} LIMIT 1`);
    if (row !== undefined) return `${of} '${String(row['value'])}' is not ${type.glue}`;
  }
  const names = keys.map((_key, i) => `k${i}`).join(', ');
  const [twice] = await database.rows(
    `SELECT concat_ws(', ', ${names}) AS value FROM ${table} GROUP BY ${names} HAVING count(*) > 1 LIMIT 1`,
  );
  if (twice !== undefined) return `the key '${String(twice['value'])}' is there twice`;
  const [none] = await database.rows(
    `SELECT 1 FROM ${table} WHERE (${keys.map((_key, i) => `k${i} IS NULL`).join(' OR ')}) LIMIT 1`,
  );
  return none === undefined ? undefined : 'a row has no key';
}
