// The spool's worker thread on a disk in memory: the spool's own service answers each call, one after the
// other, after as long as the disk takes. A crash loses the calls that have not reached the disk, and the
// answers on their way back.
import { createSpoolService } from '@sluice/agent/spool/spool-service.ts';
import type { openSpoolThread } from '@sluice/agent/spool/spool-thread.ts';
import type { SpoolCall, SpoolReply } from '@sluice/agent/spool/worker-protocol.ts';
import type { SimDisk } from './disk.ts';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

const DISK_MS = 4;
const SLOW_DISK_MS = 1_500;
/** Small, so that files fill up and are unlinked. */
const FILE_BYTES_MAX = 4_096;

export function simSpoolThread(world: World, process: SimProcess, disk: SimDisk): typeof openSpoolThread {
  return ({ directory }, listener) => {
    const chance = world.chance.stream(`${process.name} disk ${world.time.nowMs}`);
    const answer = createSpoolService({
      directory,
      fileBytesMax: FILE_BYTES_MAX,
      disk,
      nowMs: () => process.clock.wallMs(),
      lock: () => ({ release() {} }),
    });
    /** When the thread is done with what was posted so far. */
    let freeAtMs = 0;
    let terminated = false;

    function perform(call: SpoolCall): SpoolReply {
      const reply = answer(call);
      if (call.kind === 'committed')
        for (const { partition, ...commit } of call.positions) world.onSpoolDropped(partition, commit);
      if (call.kind === 'append')
        process.say(`disk   ${call.segments.map(rangeOf).join(' ') || 'nothing'}: ${reply.kind}`);
      if (reply.kind === 'failed') process.say(`disk   ${call.kind} failed: ${reply.code} ${reply.message}`);
      if (world.sabotage === 'spool drops what was sent' && call.kind === 'read') sabotage(call, reply);
      return reply;
    }

    function sabotage({ partition }: Extract<SpoolCall, { kind: 'read' }>, reply: SpoolReply): void {
      const last = reply.kind === 'done' ? reply.segments.at(-1) : undefined;
      if (last === undefined) return;
      const commit = { nextOffset: last.nextOffset, openGaps: [], setsBack: false };
      answer({ kind: 'committed', positions: [{ partition, ...commit }] });
      world.onSpoolDropped(partition, commit);
    }

    return {
      instanceId: disk.instanceId,
      post(call) {
        const slow = world.faulty && chance.happens(world.profile.slowDiskShare);
        if (slow) world.trace.count('slow disk');
        const takesMs = chance.spread(slow ? SLOW_DISK_MS : DISK_MS);
        freeAtMs = Math.max(freeAtMs, world.time.nowMs) + takesMs;
        process.after(freeAtMs - world.time.nowMs, () => {
          if (terminated) return;
          const reply = perform(call);
          process.after(0.05, () => {
            if (!terminated) listener.replied(reply);
          });
        });
      },
      terminate: () => {
        terminated = true;
        return Promise.resolve();
      },
    };
  };
}

function rangeOf(segment: {
  topic: string;
  partition: number;
  startOffset: number;
  nextOffset: number;
}): string {
  return `${segment.topic}/${segment.partition} [${segment.startOffset}, ${segment.nextOffset})`;
}
