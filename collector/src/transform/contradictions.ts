// Which columns of a detected schema the records of a window contradict: values of another type, lines with
// other fields. All of these records are in quarantine; this is what an alert says of them.
import type { TransformResult } from '../contracts.ts';
import type { Database } from './duckdb.ts';
import { US } from './sql/problems.ts';

/** Fields that an alert names. */
const FIELDS_MAX = 20;

export async function contradictionsIn(database: Database): Promise<TransformResult['contradictions']> {
  const rows = await database.rows(
    `SELECT field, count(*) AS n FROM (
      SELECT split_part(__problem, ${US}, 2) AS field FROM staged
      WHERE split_part(__problem, ${US}, 1) IN ('CAST_FAILED', 'NOT_AN_OBJECT') AND contains(__problem, ${US})
      UNION ALL SELECT 'the number of fields' FROM odd WHERE code = 'CSV_COLUMNS'
    ) GROUP BY ALL ORDER BY n DESC, field`,
  );
  if (rows.length === 0) return undefined;
  const records = rows.reduce((sum, row) => sum + Number(row['n']), 0);
  return { records, fields: rows.slice(0, FIELDS_MAX).map((row) => String(row['field'])) };
}
