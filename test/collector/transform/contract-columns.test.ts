// Which fields fill the columns of a table that stands already: never two that SQL cannot tell apart, and
// none that it would read as something of the record's.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contractColumns } from '@sluice/collector/transform/contract-columns.ts';
import { parseObject, SeenObject } from '@sluice/collector/transform/seen-values.ts';

function sourcesOf(names: readonly string[], ...records: readonly string[]) {
  const seen = new SeenObject();
  for (const record of records) seen.add(parseObject(record) ?? assert.fail(record));
  const columns = names.map((name) => ({ name, type: 'bigint' }));
  return Object.fromEntries(contractColumns(columns, seen).columns.map(({ name, source }) => [name, source]));
}

test('a field fills the column that has its name before one whose safe form it is', () => {
  const both = { account_id: 'account_id', accountid: 'accountId' };
  assert.deepEqual(sourcesOf(['account_id', 'accountid'], '{"accountId":1}'), both);
  assert.deepEqual(sourcesOf(['accountid', 'account_id'], '{"accountId":1}'), both);
  assert.deepEqual(sourcesOf(['account_id'], '{"accountId":1}'), { account_id: 'accountId' });
});

test('of fields that differ only in case one fills a column, and no other column has the rest', () => {
  const given = ['{"accountId":1,"accountid":2}', '{"ACCOUNTID":3}'];
  assert.deepEqual(sourcesOf(['accountid', 'account_id'], ...given), {
    accountid: 'accountid',
    account_id: 'account_id',
  });
});

test('no column is filled by a field whose name the transform uses itself', () => {
  assert.deepEqual(sourcesOf(['offset', 'problem'], '{"_offset":1,"__problem":2}'), {
    offset: 'offset',
    problem: 'problem',
  });
});
