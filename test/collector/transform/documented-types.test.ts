// The table of types in docs/transforms.md is true: a value as it has it in JSON is read, its column has the
// Glue type, and the file the Parquet type, that stand there.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseType } from '@sluice/collector/transform/sql/types.ts';
import { rowsOfSelect } from '../../support/parquet.ts';
import { documentedText } from '../../support/table-examples.ts';
import { plainTable } from '../../support/written-lake.ts';
import { oneWindows } from './one-window.ts';

const { transform, transformer } = oneWindows();

/** Cells by the names in the first line of the table that has `Parquet` among them. */
function documentedTypes(): Record<string, string>[] {
  const lines = documentedText('transforms.md').split('\n');
  const head = lines.findIndex((line) => line.startsWith('| type | JSON |'));
  const cells = (line: string) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
  const names = cells(lines[head] ?? '');
  const rows = lines.slice(head + 2, lines.indexOf('', head));
  return rows.map((line) => Object.fromEntries(cells(line).map((cell, i) => [names[i] ?? '', cell])));
}

const quoted = (cell = '') => /`([^`]+)`/.exec(cell)?.[1];
const types = documentedTypes();

for (const row of types) {
  const type = quoted(row['type']) ?? assert.fail('a row without a type');
  test(`${type} is read from JSON and is in Parquet and Glue what the documentation says`, async () => {
    assert.equal(parseType(type)?.glue, quoted(row['Glue']));
    const json = quoted(row['JSON']);
    const input = json === undefined ? { input: { kind: 'bytes' } as const, columns: [] } : {};
    const table = { columns: [{ name: 'value', type }], provenance: 'none' as const, ...input };
    const { rows, result } = await transform(table, [json === undefined ? 'x' : `{"value":${json}}`]);
    assert.equal(rows.length, 1);
    assert.notEqual(rows[0]?.['value'], null);
    assert.deepEqual(transformer.schema({ ...plainTable, ...table }).rows, [{ name: 'value', type }]);
    const path = result.files.find(({ output }) => output === 'rows')?.path;
    const [column] = await rowsOfSelect(
      `SELECT type, converted_type AS also FROM parquet_schema('${path}') WHERE name = 'value'`,
    );
    const told = [column?.['type'], column?.['also']].filter((one) => one !== null).join(' ');
    assert.equal(told === '' ? 'group' : told, row['Parquet']);
  });
}

test('the table has every type that a column can have', () => {
  const kinds = types.map((row) => parseType(quoted(row['type']) ?? '')?.kind);
  const all = ['boolean', 'integer', 'float', 'decimal', 'string', 'binary', 'date', 'timestamp'];
  assert.deepEqual(new Set(kinds), new Set([...all, 'array', 'map', 'struct']));
  const names = types.map((row) => quoted(row['type']));
  for (const name of ['tinyint', 'smallint', 'int', 'bigint', 'float', 'double'])
    assert.ok(names.includes(name), name);
});
