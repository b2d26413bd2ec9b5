// A sequencer with a table that wants the history of a topic whose other table stands at 4,000, and a stream
// that reads the log.
import type { AgentLink } from '@sluice/collector/contracts.ts';
import { HISTORY_EPOCH_MIN } from '@sluice/collector/window/backfills.ts';
import type { StagedPayloads } from '@sluice/collector/window/staged-payloads.ts';
import { rangeSegment } from './fake-spool.ts';
import { settle } from './manual-clock.ts';
import { declaredOf, linkOf, rest, sequencerOf, type Wanted } from './sequencer-harness.ts';

export const NEW: Wanted = { name: 'new', backfill: 'earliest' };
/** Of a budget of 8,000 bytes: 1,000 for history, half of that in one piece. */
export const BYTES_MAX = 8_000;
export const epoch = (n: number) => HISTORY_EPOCH_MIN + n;

/** `claims` stands at 4,000 and a table without history beside it; what a stream says and hears. */
export async function newTable(
  tables: readonly Wanted[] = [{ name: 'claims' }, NEW],
  bytesMax = BYTES_MAX,
  payloads?: Pick<StagedPayloads, 'keep'>,
) {
  const parts = sequencerOf({ tables, bytesMax, payloads });
  parts.writers['claims']?.place(declaredOf(), 4_000);
  const reader = linkOf();
  const declare = async (link: AgentLink = reader, change: object = {}) => {
    await parts.sequencer.declare(link, [{ ...declaredOf(), ...change }]);
    await parts.clock.advance(0);
  };
  await declare();
  const history = async (start: number, next: number, n: number, from: AgentLink = reader) => {
    const outcome = parts.sequencer.segment(from, rangeSegment(start, next), epoch(n));
    await parts.clock.advance(0);
    return outcome;
  };
  const lose = async (startOffset: number, nextOffset: number, n: number) => {
    const notice = { ...declaredOf(), leaderEpoch: -1, startOffset, nextOffset, reason: 'retention' };
    parts.sequencer.gap(reader, notice, epoch(n));
    await done();
  };
  const done = async () => {
    await parts.clock.advance(0);
    await rest(parts);
    await settle();
    await parts.clock.advance(0);
  };
  const asked = (link = reader) => link.told.filter((told) => told.startsWith('history'));
  return { ...parts, reader, declare, history, lose, done, asked };
}
