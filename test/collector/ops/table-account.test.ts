// A command over several tables says what it did, however it ends.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TableAccount } from '@sluice/collector/ops/table-account.ts';
import { SluiceError } from '@sluice/shared/errors.ts';

interface Done {
  readonly table: string;
  readonly entries: readonly number[];
}

const stopped = new SluiceError('REBUILD_STOPPED', 'access denied');

test('where it ended is told with it: a key that may not be deleted, but not the table again', async () => {
  for (const [place, shown] of [
    ['claims/day=a/x.parquet', ' (claims/day=a/x.parquet)'],
    ['b', ''],
  ] as const) {
    const printed: string[] = [];
    const account = new TableAccount<Done>(() => '');
    const work = () => Promise.reject(new SluiceError('PRUNE_DENIED', 'denied', { place }));
    await assert.rejects(account.run(['b'], work, (text) => void printed.push(text)));
    const failure = { code: 'PRUNE_DENIED', message: 'denied', ...(shown === '' ? {} : { place }) };
    assert.deepEqual(account.told, [{ table: 'b', failure }]);
    assert.deepEqual(printed, [`b: ended by PRUNE_DENIED: denied${shown}\n`]);
  }
});

test('entries that a table has before it ends are told with why it ended, and the tables behind it', async () => {
  const printed: string[] = [];
  const account = new TableAccount<Done>(({ table, entries }) => `${table}: ${entries.join(' ')}\n`);
  const work = async (table: string, keep: (so: Done) => void): Promise<Done> => {
    keep({ table, entries: [1] });
    if (table === 'b') throw stopped;
    return { table, entries: [1, 2] };
  };
  await assert.rejects(
    account.run(['a', 'b', 'c'], work, (text) => void printed.push(text)),
    stopped,
  );
  assert.deepEqual(account.told, [
    { table: 'a', entries: [1, 2] },
    { table: 'b', entries: [1], failure: { code: 'REBUILD_STOPPED', message: 'access denied' } },
  ]);
  assert.deepEqual(printed, ['a: 1 2\n', 'b: 1\nb: ended by REBUILD_STOPPED: access denied\nnot begun: c\n']);
});
