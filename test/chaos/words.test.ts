// What a chaos run listens for is what the agent says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEvents } from '@sluice/agent/events.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { recordingLogger } from '../support/recording-logger.ts';
import { DROPPED, FULL, SET_ASIDE } from './words.ts';

test('the words that are listened for are those of the agent’s events', () => {
  const log = recordingLogger();
  const events = createEvents(log, createMetrics());
  events.spoolFileSetAside({ path: 'x', reason: 'x' });
  const segment = { topic: 'x', partition: 0, startOffset: 0, nextOffset: 1 };
  events.spoolSegmentDropped({ ...segment, path: 'x', reason: 'x' });
  const full = 'the disk has less than spool.freeSpaceMin free';
  events.spoolPressure({ full, isFullForAll: true, heldTopics: [] });
  events.spoolFault({ reason: 'x', retryMs: 1 });
  const said = log.lines.map(({ message }) => message);
  [SET_ASIDE, DROPPED, ...FULL].forEach((words, i) => {
    assert.ok(said[i]?.startsWith(words), `'${said[i]}' is not '${words}'`);
  });
  assert.equal(said.length, 4);
});
