// Where a table begins a partition: what was told wins, a live topic is not rewound, a topic created again
// loses nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveStart, type StartQuestion } from '@sluice/collector/window/start-offset.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';

const partition = {
  topic: 'claims',
  topicId: NO_TOPIC_ID,
  partition: 0,
  leaderEpoch: 0,
  logStart: 100,
  logEnd: 900,
  spoolStart: 0,
  spoolNext: 0,
  spoolRuns: [],
  readsLog: true,
  startAt: undefined,
} as const;
const base: StartQuestion = { configured: undefined, partition, siblings: [], otherIncarnation: false };
const at = (acked: number | undefined, leaderEpoch = 0) => ({ acked, next: acked, leaderEpoch });
const agentSays = (startAt: 'earliest' | 'latest') => ({ partition: { ...partition, startAt } });

/** Of a partition that is only spooled there, [300, 400) of it: an agent that has not asked Kafka says so. */
const held = { startOffset: 300, nextOffset: 400 };
const spooled = { spoolStart: 300, spoolNext: 400, spoolRuns: [held], readsLog: false };
const spoolOnly = { partition: { ...partition, ...spooled, logStart: 0, logEnd: 300 } };
const spoolSays = (startAt: 'earliest' | 'latest') => ({ partition: { ...spoolOnly.partition, startAt } });
/** An earlier agent: it gave the spool's bounds for the log's. */
const earlierSpool = { partition: { ...spoolOnly.partition, logStart: 300, logEnd: 400 } };
/** One that does not know that it reads the log. */
const earlierReader = { ...partition, readsLog: false };
/** Some of an open gap is spooled, too. */
const twoRuns = { ...spoolOnly.partition, spoolRuns: [{ startOffset: 150, nextOffset: 160 }, held] };

const CASES: readonly (readonly [string, Partial<StartQuestion>, number, RegExp])[] = [
  ['nobody says anything', {}, 100, /earliest/],
  ['the table says earliest', { configured: 'earliest' }, 100, /earliest \(table\)/],
  [
    'who only holds a spool does not know where the log begins',
    { configured: 'earliest', ...spoolOnly },
    0,
    /earliest/,
  ],
  ['nor of a topic created again', { otherIncarnation: true, ...spoolOnly }, 0, /created again/],
  ['where others stand the spool need not know', { siblings: [at(500)], ...spoolOnly }, 500, /live topic/],
  ['a spool alone, and nobody says where', spoolOnly, 0, /not set: earliest; nobody is known to read/],
  ['a spool alone, whose agent says earliest', spoolSays('earliest'), 0, /earliest \(agent\); nobody/],
  ['a spool alone, whose agent says latest', spoolSays('latest'), 300, /latest \(agent\); nobody/],
  [
    'a spool alone, and the table says latest',
    { configured: 'latest', ...spoolOnly },
    300,
    /latest \(table\)/,
  ],
  ['the table wins over who holds a spool', { configured: 'earliest', ...spoolSays('latest') }, 0, /table/],
  [
    'latest is no less than where others are',
    { configured: 'latest', ...spoolOnly, siblings: [at(500)] },
    500,
    /latest/,
  ],
  [
    'nor is it less where they are not so far',
    { configured: 'latest', ...spoolOnly, siblings: [at(200)] },
    300,
    /latest/,
  ],
  [
    'a log that was cut is not where others are',
    { configured: 'latest', ...spoolOnly, siblings: [at(500), at(350, 1)] },
    350,
    /latest/,
  ],
  [
    'latest takes all that is spooled',
    { partition: { ...twoRuns, startAt: 'latest' } },
    150,
    /latest \(agent\)/,
  ],
  ['an earlier agent does not say where its spool’s topic begins', earlierSpool, 0, /not set: earliest/],
  [
    'and says where its spool ends as if the log did',
    { configured: 'latest', ...earlierSpool },
    300,
    /latest \(table\)/,
  ],
  [
    'one that does not say that it reads, from the beginning',
    { partition: earlierReader },
    0,
    /earliest; nobody/,
  ],
  [
    'one that does not say that it reads, from the end',
    { partition: { ...earlierReader, startAt: 'latest' } },
    900,
    /latest \(agent\)/,
  ],
  ['the table says latest', { configured: 'latest' }, 900, /latest \(table\)/],
  ['the agent says latest', agentSays('latest'), 900, /latest \(agent\)/],
  ['the table wins over the agent', { configured: 'earliest', ...agentSays('latest') }, 100, /table/],
  ['a new table on a live topic', { siblings: [at(500), at(400), at(undefined)] }, 500, /live topic/],
  ['a live topic wins over the agent', { siblings: [at(500)], ...agentSays('earliest') }, 500, /live topic/],
  [
    'a table that says earliest gets history on a live topic too',
    { configured: 'earliest', siblings: [at(500)] },
    100,
    /table/,
  ],
  ['siblings that never read it say nothing', { siblings: [at(undefined)] }, 100, /earliest/],
  [
    'a table that stands in a log that was cut says nothing',
    { siblings: [at(500), at(400, 1)] },
    400,
    /live/,
  ],
  ['a table that is only behind says nothing', { siblings: [at(500, 1), at(400)] }, 500, /live/],
  ['where nobody knows the epoch', { siblings: [at(500, -1), at(400, 1)] }, 500, /live/],
  [
    'a topic created again, though the table says latest',
    { configured: 'latest', otherIncarnation: true },
    100,
    /created again/,
  ],
];

for (const [what, question, start, why] of CASES) {
  test(`${what}: from ${start}`, () => {
    const resolved = resolveStart({ ...base, ...question });
    assert.equal(resolved.start, start);
    assert.match(resolved.why, why);
  });
}
