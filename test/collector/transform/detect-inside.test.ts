// Feeds as others write them: what is around their objects, and the form of their lines, is proposed, and the
// table that is proposed takes them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linesOf } from '@sluice/collector/ops/detect.ts';
import { tableOf } from '@sluice/collector/ops/detected-table.ts';
import { detectColumns } from '@sluice/collector/transform/detect-columns.ts';
import { runTableExamples } from '../../support/table-examples.ts';
import { temporaryDirectory } from '../../support/temp.ts';

const directory = temporaryDirectory();
const framed = (text: string) => Buffer.concat([Buffer.of(0, 0, 0, 1, 7), Buffer.from(text)]);

/** The notes and the format of what is proposed, which must take all of the sample as these rows. */
async function proposes(values: readonly (string | Buffer)[], rows: readonly object[]) {
  const sample = values.map((value) => Buffer.from(value));
  const detection = detectColumns(sample);
  const records = sample.map((value) => ({ base64: value.toString('base64') }));
  const table = tableOf('t', detection, '100s');
  const [result] = await runTableExamples(directory, [
    { ...table, examples: [{ name: 'the sample', records, rows }] },
  ]);
  assert.deepEqual(result?.differences, []);
  return { format: table['format'], notes: detection.notes };
}

test('the envelope of Kafka Connect is opened, and changes of Debezium are named', async () => {
  const change = { before: null, after: { id: 1, amount: 'AfQ=' }, source: { lsn: 7 }, op: 'c' };
  const { format, notes } = await proposes(
    [change, { ...change, op: 'u' }].map((payload) =>
      JSON.stringify({ schema: { type: 'struct' }, payload }),
    ),
    [
      { op: 'c', after: { id: 1, amount: 'AfQ=' }, source: { lsn: 7 } },
      { op: 'u', after: { id: 1, amount: 'AfQ=' } },
    ],
  );
  assert.deepEqual(format, { json: { at: 'payload' } });
  assert.match(notes.join(), /only what stands at payload is read.*Debezium's changes: docs\/recipes\.md/);
});

test('an array that is alone in its objects becomes rows, its numbers as they are written', async () => {
  const { format } = await proposes(
    ['{"Log.Records":[{"id":9223372036854775808,"n":1.0},{"id":2}]}', '{"Log.Records":[{"id":3,"n":2}]}'],
    [{ id: '9223372036854775808', n: 1 }, { id: '2' }, { id: '3', n: 2 }],
  );
  assert.deepEqual(format, { json: { at: '`Log.Records`', array: 'explode' } });
  for (const plain of ['{"a":[{"n":1}],"b":2}', '{"a":[1]}', '{"a":[]}', '{"a":{"n":[{}]}}'])
    assert.deepEqual(detectColumns([Buffer.from(plain)]).wrapping ?? {}, {}, plain);
});

test('the frame of a JSON Schema serializer is taken away, and one of Avro is told with what reads it', async () => {
  const { format } = await proposes([framed('{"Records":[{"n":1}]}')], [{ n: 1 }]);
  assert.deepEqual(format, { json: { frame: 'confluent', at: 'Records', array: 'explode' } });
  const avro = detectColumns([framed('\u0002\u0004ab')]);
  assert.match(avro.notes.join(), /schema id 263.*`format: \{ avro: \{ registry: confluent \} \}`/);
  const packed = detectColumns([Buffer.of(0x1f, 0x8b, 8, 0, 0xff)]);
  assert.match(packed.notes.join(), /`compression: gzip`/);
});

const NGINX = '203.0.113.9 - - [27/Nov/2026:08:15:42 +0100] "GET /a HTTP/1.1" 200 5';
const LOGS: readonly (readonly [string, string, object])[] = [
  [`${NGINX} "-" "curl/8"`, 'referrer', { clientip: '203.0.113.9', referrer: null, agent: 'curl/8' }],
  [NGINX, 'COMMONAPACHELOG', { verb: 'GET', bytes: '5' }],
  [
    '<34>1 2026-11-27T22:14:15.003Z h su - ID47 - x',
    'SYSLOG5424LINE',
    { syslog5424_app: 'su', syslog5424_msg: 'x' },
  ],
  ["<34>Oct 11 22:14:15 h su[7]: 'su root'", 'priority', { priority: 34, pid: '7' }],
  ['Oct 11 22:14:15 h su: ok', '%{SYSLOGLINE}', { program: 'su', message: 'ok' }],
];
for (const [line, part, row] of LOGS)
  test(`lines as "${line}" are taken apart`, async () => {
    const { format, notes } = await proposes(
      Array.from({ length: 3 }, () => line),
      [row, row, row],
    );
    assert.ok(JSON.stringify(format).includes(part), JSON.stringify(format));
    assert.match(notes.join(), /lines of a log/);
  });

test('lines of no log are one text', () => {
  const { grok, notes } = detectColumns(['one', NGINX, 'two'].map((line) => Buffer.from(line)));
  assert.equal(grok, undefined);
  assert.deepEqual(notes, ['no value is a JSON object: one text column']);
});

test('numbers with a decimal comma are told with the step that reads them', () => {
  const notesOf = (...lines: string[]) =>
    detectColumns(
      lines.map((line) => Buffer.from(line)),
      { format: 'csv' },
    ).notes.join();
  const note = /c1: numbers with a decimal comma are texts; parse_number with point ","/;
  assert.match(notesOf('a;21,5;x', 'b;;y', 'c;-1.021,25;z', 'd;7;z'), note);
  assert.doesNotMatch(notesOf('a;21,5;x', 'b;off;y'), note);
  assert.doesNotMatch(notesOf('a;21;x', 'b;22;y'), note);
});

test('a line break inside quotes ends no record of a CSV file, and a quote that nobody closes takes one line', () => {
  const values = (text: string) => linesOf(Buffer.from(text), false, true).values.map(String);
  assert.deepEqual(values('a;"b\r\nc;""d"\r\ne;f\n'), ['a;"b\r\nc;""d"', 'e;f']);
  const open = ['a;"b', ...Array.from({ length: 200 }, (_, i) => `${i};x`), 'c";d'];
  assert.deepEqual(values(`${open.join('\n')}\n`), open);
  assert.deepEqual(linesOf(Buffer.from('a"\nb"\n'), false).values.map(String), ['a"', 'b"']);
});
