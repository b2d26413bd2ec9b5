// A site whose tables have many small objects: bursts of records, of two kinds that are its partitions, each
// in windows of its own, and what every table must have of them.
import assert from 'node:assert/strict';
import { assertExactlyOnce } from '../support/oracles.ts';
import { query, untilAcknowledged } from './journey-fixture.ts';
import { type MappedSite, startMappedSite, TOPIC } from './mapped-site.ts';

export const BURST = 40;
export const BURSTS = 6;

export const claims = {
  name: 'claims',
  topic: TOPIC,
  format: 'json',
  provenance: 'full',
  window: { every: '1s' },
  columns: { n: 'int', kind: 'string' },
  partitionBy: [{ field: 'kind' }],
};

export interface BurstSite extends MappedSite {
  /** Until all tables have so many records. */
  untilAllHave(records: number): Promise<void>;
  /** Records from this one on, until all tables have them; resolves with how many there are then. */
  burst(from: number): Promise<number>;
  /** Each record once in each table, with its own values. */
  assertWhole(records: number): Promise<void>;
}

export async function startBurstSite(
  id: string,
  tables: readonly (typeof claims & { readonly output?: Readonly<Record<string, string>> })[],
): Promise<BurstSite> {
  const mapped = await startMappedSite(id, { tables, fieldsOf: (n) => ({ kind: `k${n % 2}` }) });
  const { site } = mapped;
  async function untilAllHave(records: number): Promise<void> {
    await Promise.all(tables.map(({ name }) => untilAcknowledged(site, name, records)));
  }
  return {
    ...mapped,
    untilAllHave,
    async burst(from) {
      await mapped.produce(from, from + BURST);
      await untilAllHave(from + BURST);
      return from + BURST;
    },
    async assertWhole(records) {
      for (const { name } of tables) {
        const rows = await query(site, `select n, kind, _key from ${name}`);
        assertExactlyOnce(
          Array.from({ length: records }, (_, n) => String(n)),
          rows.map(({ n }) => String(n)),
        );
        for (const { n, kind, _key } of rows)
          assert.deepEqual([kind, _key], [`k${Number(n) % 2}`, `key-${n}`]);
      }
    },
  };
}
