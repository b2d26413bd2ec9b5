// Records of several topics through one table: every record is what a table of its topic alone would make of
// it, once, and says which topic it is of. The reference is one table for each topic.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import type { StagedSegment, TableConfig } from '@sluice/collector/contracts.ts';
import fc from 'fast-check';
import { segmentOf } from '../../support/segments.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { transformer } from '../../support/verified-lake.ts';
import { plainTable } from '../../support/written-lake.ts';
import { parseSteps } from './step-cases.ts';

type Row = Record<string, unknown>;
const TOPICS = ['orders', 'returns'];
const columns = [
  { name: 'k', type: 'int' },
  { name: 'n', type: 'int' },
  { name: 'only', type: 'string' },
];
const home = temporaryDirectory();
let windows = 0;

async function selectFrom(paths: readonly string[], select = '*'): Promise<Row[]> {
  if (paths.length === 0) return [];
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const files = paths.map((path) => `'${path}'`).join(', ');
  const result = await connection.runAndReadAll(`SELECT ${select} FROM read_parquet([${files}])`);
  const rows = result.getRowObjectsJson();
  connection.closeSync();
  instance.closeSync();
  return rows;
}

async function run(change: Partial<TableConfig>, segments: readonly StagedSegment[]) {
  const table = { ...plainTable, columns, ...change };
  const request = { windowId: 'w', openedMs: 0, directory: join(home, `w${windows++}`) };
  const { files, classes, corrupt } = await transformer.run({ ...request, table, segments });
  const paths = (output: string) => files.flatMap((f) => (f.output === output ? [f.path] : []));
  return { paths, classes, corrupt };
}

async function transform(change: Partial<TableConfig>, segments: readonly StagedSegment[]) {
  const { paths, ...made } = await run(change, segments);
  const [rows, quarantine] = [await selectFrom(paths('rows')), await selectFrom(paths('quarantine'))];
  return { ...made, rows, quarantine };
}

const staged = (segment: StagedSegment['segment']) => ({ segment, fromOffset: segment.startOffset });
const text = (rows: readonly Row[]) => rows.map((row) => JSON.stringify(row)).sort();
const union = { topics: TOPICS };

const value = fc.oneof(
  { weight: 6, arbitrary: fc.record({ k: fc.nat(4), n: fc.nat(9) }).map((one) => JSON.stringify(one)) },
  { weight: 2, arbitrary: fc.constantFrom('{"k":1,"n":2,"only":"here"}', '{}', '{"n":3}') },
  { weight: 2, arbitrary: fc.constantFrom('not JSON', '{"n":"x"}', null) },
);
const part = fc.record({
  topic: fc.constantFrom(...TOPICS),
  partition: fc.nat(1),
  values: fc.array(value, { minLength: 1, maxLength: 12 }),
});

/** Segments in the order drawn, each behind the one before of its partition. */
function segmentsOf(parts: readonly { topic: string; partition: number; values: (string | null)[] }[]) {
  const next = new Map<string, number>();
  return parts.map(({ topic, partition, values }) => {
    const key = `${topic}/${partition}`;
    const baseOffset = next.get(key) ?? 0;
    next.set(key, baseOffset + values.length);
    return staged(segmentOf(values, { topic, partition, baseOffset }));
  });
}

const stepsOf = {
  'no steps': [],
  'a filter and a UUID': [{ filter: 'n <> 5' }, { add_uuid: { column: 'id' } }],
  'several rows of a record': [{ explode: { field: 'l' } }],
};

for (const [name, steps] of Object.entries(stepsOf))
  test(`a table of several topics is the tables of each of them, by topic: ${name}`, async () => {
    const lists = name.startsWith('several');
    const change: Partial<TableConfig> = {
      steps: parseSteps(steps),
      ...(lists ? { columns: [...columns, { name: 'l', type: 'array<int>' }] } : {}),
    };
    await fc.assert(
      fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 6 }), async (drawn) => {
        const parts = drawn.map(({ values, ...at }) => ({
          ...at,
          values: values.map((v) => (lists ? (v?.replace('}', ',"l":[1,2]}').replace('{,', '{') ?? v) : v)),
        }));
        const segments = segmentsOf(parts);
        const made = await transform({ ...union, ...change }, segments);
        const expected: { rows: Row[]; quarantine: Row[]; in: number } = { rows: [], quarantine: [], in: 0 };
        for (const topic of TOPICS) {
          const own = segments.filter(({ segment }) => segment.topic === topic);
          const alone = await transform({ topic, ...change }, own);
          for (const { _partition, _offset, _row, ...row } of alone.rows) {
            const place = { _topic: topic, _partition, _offset, ...(lists ? { _row } : {}) };
            expected.rows.push({ ...row, ...place });
          }
          expected.quarantine.push(...alone.quarantine);
          expected.in += alone.classes.in;
        }
        assert.deepEqual(text(made.rows), text(expected.rows));
        assert.deepEqual(text(made.quarantine), text(expected.quarantine));
        assert.equal(made.classes.in, expected.in);
      }),
      { numRuns: 12, seed: 20 },
    );
  });

test('rows name their topic where they name their place, and say nothing where the table says nothing', () => {
  const namesOf = (change: Partial<TableConfig>) =>
    transformer.schema({ ...plainTable, columns, ...change }).rows.map(({ name }) => name);
  const known = columns.map(({ name }) => name);
  assert.deepEqual(namesOf(union), [...known, '_topic', '_partition', '_offset']);
  assert.deepEqual(namesOf({ topics: ['orders'] }), namesOf(union), 'others may come later');
  assert.deepEqual(namesOf({ ...union, provenance: 'none' }), known);
  assert.deepEqual(namesOf({ topic: 'orders' }), [...known, '_partition', '_offset']);
});

test('duplicates are dropped over all topics, and at one place in two of them the first by name is kept', async () => {
  const steps = parseSteps([{ drop_duplicates: { keys: ['k'], keep: 'first' } }]);
  const make = (topics: readonly string[]) =>
    topics.map((topic) => staged(segmentOf([`{"k":1,"only":"${topic}"}`, `{"k":2}`], { topic })));
  for (const order of [TOPICS, TOPICS.toReversed()]) {
    const { rows, classes } = await transform({ ...union, steps }, make(order));
    assert.deepEqual(
      rows.map((row) => [row['_topic'], row['k']]),
      [
        ['orders', 1],
        ['orders', 2],
      ],
    );
    assert.deepEqual([classes.emitted, classes.merged], [2, 2]);
  }
});

test('own SQL and expressions see the topic of a row', async () => {
  const derive = parseSteps([{ derive: [{ column: 'from', type: 'string', expression: "_topic || '!'" }] }]);
  const segments = TOPICS.map((topic) => staged(segmentOf(['{"k":1}'], { topic })));
  const { rows } = await transform({ ...union, steps: derive }, segments);
  assert.deepEqual(rows.map((row) => row['from']).sort(), ['orders!', 'returns!']);
  const query = 'SELECT _topic AS t, count(*) AS n FROM rows GROUP BY ALL ORDER BY ALL';
  const sql = parseSteps([{ sql: { query, columns: { t: 'string', n: 'bigint' } } }]);
  const grouped = await transform({ ...union, provenance: 'none', steps: sql }, segments);
  assert.deepEqual(grouped.rows, [
    { t: 'orders', n: '1' },
    { t: 'returns', n: '1' },
  ]);
});

test('a batch that cannot be read is quarantined under the topic that it came from', async () => {
  const broken = segmentOf(['{"k":1}', '{"k":2}'], { topic: 'returns', baseOffset: 7 });
  const payload = Buffer.from(broken.payload);
  payload.writeUInt8((payload.at(-1) ?? 0) ^ 1, payload.length - 1);
  const whole = segmentOf(['{"k":0}'], { topic: 'orders' });
  const { quarantine, corrupt, classes } = await transform(union, [
    staged(whole),
    staged({ ...broken, payload }),
  ]);
  assert.deepEqual(
    quarantine.map((row) => [row['_topic'], row['_offset']]),
    [
      ['returns', '7'],
      ['returns', '8'],
    ],
  );
  assert.equal(corrupt[0]?.topic, 'returns');
  assert.deepEqual([classes.emitted, classes.quarantined], [1, 2]);
});

test('large windows go straight into files, and each row keeps its topic', async () => {
  const CHUNK = 81_920;
  const segments = [...TOPICS, ...TOPICS].map((topic, i) => {
    const values = Array.from({ length: CHUNK }, (_, n) => `{"k":${n % 100}}`);
    return staged(segmentOf(values, { topic, baseOffset: i < 2 ? 0 : CHUNK }));
  });
  const { paths, classes } = await run(union, segments);
  assert.equal(classes.emitted, 4 * CHUNK);
  const rowsOf = (topic: string) =>
    `count(DISTINCT _offset) FILTER (_topic = '${topic}')::INTEGER AS ${topic}`;
  const rows = await selectFrom(paths('rows'), TOPICS.map(rowsOf).join(', '));
  assert.deepEqual(rows, [{ orders: 2 * CHUNK, returns: 2 * CHUNK }]);
});

test('a record has the UUID that a table of its topic alone would give it', async () => {
  const steps = parseSteps([{ add_uuid: { column: 'id' } }]);
  const segments = TOPICS.map((topic) => staged(segmentOf(['{"k":1}'], { topic })));
  const { rows } = await transform({ ...union, steps }, segments);
  for (const row of rows) {
    const digest = createHash('md5').update(`${row['_topic']} 0 0 1780000000000000`).digest('hex');
    assert.ok(String(row['id']).startsWith(digest.slice(0, 8)), 'of topic, partition, offset and time');
  }
  assert.equal(new Set(rows.map((row) => row['id'])).size, 2);
});
