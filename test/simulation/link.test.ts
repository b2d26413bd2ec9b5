// What the simulated network must hold: nobody is connected to a process that is gone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DoorOptions } from '@sluice/collector/ingest/link-door.ts';
import { SimProcess } from './process.ts';
import { World } from './world.ts';

async function streamsOf(endsAfterMs: number): Promise<number> {
  const world = new World({ seed: 1, certificates: new Map() });
  let streams = 0;
  const accept = () => streams++;
  await world.link
    .doorOf(new SimProcess(world, 'collector'))({ accept } as unknown as DoorOptions)
    .open();
  const agent = new SimProcess(world, 'agent');
  world.time.after(0, () => world.link.openCall(agent, 'agent-1'));
  world.time.after(endsAfterMs, () => agent.crash('killed'));
  await world.time.run(120_000);
  return streams;
}

test('an agent that dies before it is connected has no stream, which nobody would ever end', async () => {
  assert.equal(await streamsOf(100_000), 1);
  assert.equal(await streamsOf(0.01), 0);
});
