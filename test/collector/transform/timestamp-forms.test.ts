// The quick look at the usual forms of a timestamp lets nothing through that its whole form refuses: what
// DuckDB would guess from a text - a sign, spaces, a missing digit - stays a failure.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDatabase } from '@sluice/collector/transform/duckdb.ts';
import { fromJson, TIMESTAMP_FORM } from '@sluice/collector/transform/sql/conversions.ts';
import { literal, parseType, type ScalarType } from '@sluice/collector/transform/sql/types.ts';
import { textKind } from '@sluice/collector/transform/value-types.ts';
import { temporaryDirectory } from '../../support/temp.ts';

const USUAL = [
  '2026-01-02T03:04:05.678Z',
  '2026-11-12 13:14:15.000Z',
  '2026-01-02T03:04:05Z',
  '2026-01-02 03:04:05Z',
  '2026-01-02T03:04:05.678+02:00',
  '0001-01-02T03:04:05Z',
  '2026-01-02T03:04Z',
  '2026-01-02 03:04+02:00',
  '2026-01-02 03:04:05 +02:00',
];
const PUT_IN = [...' \t\n-+:.,TZtz0159/xé\u0660*?['];

/** Each with one character replaced, left out, doubled, or put in front of. */
function* variants(): Generator<string> {
  for (const text of USUAL) {
    yield text;
    for (let i = 0; i <= text.length; i++) {
      yield text.slice(0, i) + text.slice(i + 1);
      yield text.slice(0, i) + (text[i] ?? '') + text.slice(i);
      for (const put of PUT_IN) {
        yield text.slice(0, i) + put + text.slice(i + 1);
        yield text.slice(0, i) + put + text.slice(i);
      }
    }
  }
}

test('a timestamp fails exactly where it has not the form, or is no time', async () => {
  const directory = temporaryDirectory();
  const limits = { spillDirectory: directory, memoryBytesMax: 256e6, threads: 1 };
  const database = await openDatabase({ directories: [directory], ...limits });
  const texts = [...new Set(variants())];
  const { value, fails } = fromJson(parseType('timestamp') as ScalarType);
  const form = `regexp_full_match(t, ${literal(TIMESTAMP_FORM)})`;
  const judged = await database.rows(
    `SELECT t, ${fails('t', 'c')} AS failed, (c IS NULL OR NOT ${form}) AS must FROM ` +
      `(SELECT t, ${value('t')} AS c FROM (SELECT unnest([${texts.map(literal).join(', ')}]) AS t))`,
  );
  database.close();
  assert.equal(judged.length, texts.length);
  assert.deepEqual(judged.filter(({ failed, must }) => failed !== must).slice(0, 5), []);
  const detected = judged.filter(({ t }) => textKind(String(t)) === 'timestamp');
  assert.ok(detected.length > 100, `${detected.length} are taken for times where columns are detected`);
  assert.deepEqual(detected.filter((one) => one['failed']).slice(0, 5), []);
  const failed = judged.filter((one) => one['failed']).length;
  assert.ok(failed > 1_000 && judged.length - failed > 100, `${failed} of ${judged.length} fail`);
});
