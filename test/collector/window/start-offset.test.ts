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

/** Of a partition that is only spooled there. */
const spoolOnly = { partition: { ...partition, readsLog: false } };

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
