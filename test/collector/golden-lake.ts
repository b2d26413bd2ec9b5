// What the golden files of the lake say that stand beside ledger and checkpoints: the hint, a detected
// schema, and the catalog in files.
import type { DetectedSchema, TableDefinition } from '@sluice/collector/contracts.ts';

export const goldenHint = { last: 250, checkpoint: 199 };

export const goldenSchema: DetectedSchema = {
  version: 1,
  isContract: false,
  columns: [
    { source: 'accountId', name: 'account_id', type: 'string' },
    { source: 'lines', name: 'lines', type: 'array<struct<n:int>>', isUnseen: true },
  ],
};

export const goldenDefinition: TableDefinition = {
  name: 'claims',
  columns: [
    { name: 'n', type: 'int' },
    { name: 'amount', type: 'decimal(12,2)' },
  ],
  partitionColumns: [{ name: 'day', type: 'string' }],
  output: { kind: 'parquet', compression: 'zstd' },
  location: 'insurance/claims',
  comment: 'what claims are',
};

export const goldenPartition = { values: ['2026-07-01'], key: 'insurance/claims/day=2026-07-01/' };
