// Spool files with ranges of one partition in them, and what they say is there.
import { SpoolFiles } from '@sluice/agent/spool/spool-files.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import { segmentOf } from './segments.ts';
import { temporaryDirectory } from './temp.ts';

export const claims = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };

export function openSpoolFiles(directory = temporaryDirectory()): SpoolFiles {
  return new SpoolFiles({ directory, fileBytesMax: 2 ** 20, nowMs: () => 1_000 });
}

export function range(startOffset: number, nextOffset: number): Segment {
  const values = Array.from({ length: nextOffset - startOffset }, (_, i) => `v${startOffset + i}`);
  return segmentOf(values, { baseOffset: startOffset });
}

export const runsOf = (files: SpoolFiles) =>
  files.partitions()[0]?.runs.map(({ startOffset, nextOffset }) => [startOffset, nextOffset]);

export const readFrom = (files: SpoolFiles, offset: number) =>
  files.read(claims, offset, 1).map(({ startOffset, nextOffset }) => [startOffset, nextOffset]);
