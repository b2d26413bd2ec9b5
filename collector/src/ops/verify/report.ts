// What `verify` prints for people: balance and ranges of each table, what could not be proven, and each
// finding with its remedy.
import { formatCount } from '@sluice/shared/units.ts';
import type { TableVerdict } from './audit.ts';
import type { Fate } from './fate.ts';
import type { Finding } from './findings.ts';
import { describeStanding } from './kafka.ts';
import type { Verification } from './verify.ts';

export function formatVerification(verification: Verification): string {
  const { tables, fates, findings, omitted } = verification;
  const lines = [...tables.flatMap((table) => tableLines(table, verification)), ...fates.flatMap(fateLines)];
  for (const { code, table, place, message, remedy } of findings)
    lines.push(`FINDING ${code} ${table}: ${place}: ${message}`, `  ${remedy}`);
  if (omitted > 0) lines.push(`and ${omitted} findings more`);
  return `${[...lines, ...verdictOf(verification)].join('\n')}\n`;
}

function tableLines(table: TableVerdict, { mode, findings, kafka }: Verification): string[] {
  return [
    `${table.table}: ${balanceOf(table)}, ${table.windows} windows`,
    ...table.partitions.map(
      (p) => `  ${p.partition}: [${p.start}, ${p.next})${proofOf(table, mode === 'deep', findings)}`,
    ),
    ...table.backfills.map((backfill) => `  history ${backfill}`),
    ...table.gaps.map((gap) => `  gap ${gap}`),
    ...replayedLine(table),
    ...table.swaps.map((swap) => `  rebuilt by ${swap}`),
    ...table.joins.map((join) => `  joined by ${join}`),
    ...leftLine(table),
    ...table.fills.map((fill) => `  filled ${fill}`),
    ...table.forks.map((fork) => `  fork ${fork}`),
    ...kafka.filter((k) => k.table === table.table).map((k) => `  kafka ${describeStanding(k)}`),
    ...table.weaker.map((what) => `  weaker proof: ${what}`),
  ];
}

function leftLine({ leftBehind }: TableVerdict): string[] {
  if (leftBehind === 0) return [];
  return [
    `  left behind ${formatCount(leftBehind)} object${leftBehind === 1 ? '' : 's'} that no partition of the catalog has any more`,
  ];
}

function replayedLine({ quarantined, replayed }: TableVerdict): string[] {
  const { entries, records, emitted, merged, filtered } = replayed;
  if (entries === 0) return [];
  const fates = Object.entries({ emitted, merged, filtered }).filter(([, n]) => n > 0);
  const became = fates.map(([fate, n]) => `${fate} ${formatCount(n)}`).join(' + ');
  return [`  replayed ${formatCount(records)} of ${formatCount(quarantined)} quarantined = ${became}`];
}

function balanceOf(t: TableVerdict): string {
  const merged = t.merged === 0 ? '' : ` + merged ${formatCount(t.merged)}`;
  const rest = `quarantined ${formatCount(t.quarantined)} + filtered ${formatCount(t.filtered)}`;
  return `in ${formatCount(t.in)} = emitted ${formatCount(t.emitted)}${merged} + ${rest}`;
}

function proofOf(table: TableVerdict, deep: boolean, findings: readonly Finding[]): string {
  if (findings.some((finding) => finding.table === table.table)) return '';
  if (!deep || table.weaker.length > 0) return ' contiguous in the ledger';
  return table.gaps.length > 0
    ? ' without a duplicate, and with the gaps below'
    : ' without a gap or a duplicate';
}

function fateLines({
  table,
  partition,
  topicId,
  offset,
  fate,
  message,
  entry,
  window,
  objects,
}: Fate): string[] {
  const at = [
    ...(entry === undefined ? [] : [`entry ${entry}`]),
    ...(window === undefined ? [] : [`window ${window}`]),
    ...(topicId === undefined ? [] : [`topic id ${topicId}`]),
  ];
  return [
    `${table}: ${partition} offset ${offset}: ${fate}: ${message}`,
    ...(at.length === 0 ? [] : [`  ${at.join(', ')}`]),
    ...objects.map((key) => `  object ${key}`),
  ];
}

function verdictOf({ mode, tables, findings, omitted }: Verification): string[] {
  const count = findings.length + omitted;
  if (count > 0) return [`${count} finding${count === 1 ? '' : 's'}`];
  if (mode === 'offset') return [];
  const isWeaker = tables.some(({ weaker }) => weaker.length > 0);
  if (mode === 'shallow') {
    const rest = isWeaker ? 'see the weaker proofs above' : '`verify --deep` reads what they hold';
    return [`verified: the ledger balances, and every object stands as it was committed; ${rest}`];
  }
  return [
    isWeaker
      ? 'verified: the ledger balances and the objects hold as many rows as it says; see the weaker proofs above'
      : 'verified: every offset has exactly one fate, and the objects hold what the ledger says',
  ];
}
