// A disk without room: filled to the last byte where this user may mount a small file system; where not, an
// agent is told to leave more room free than the disk has, and stops at that floor as at a full disk. The
// agent must say so by name; a collector notices only what it has to write meanwhile.
import { readFileSync, statfsSync, writeFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';
import { eventually, holdsWithin } from '../support/eventually.ts';
import type { AgentMember, Blow, CollectorMember } from './blow.ts';
import { FULL } from './words.ts';

const FULL_MS = [2_000, 8_000] as const;
const NOTICED_MS_MAX = 60_000;
/** For a collector, which may have nothing to write. */
const LISTEN_MS = 15_000;

const NO_SPACE = /ENOSPC|[Nn]o space left/;

export async function fillAgentDisk(blow: Blow<AgentMember>): Promise<void> {
  const { victim, chance, tools, hit } = blow;
  const heard = victim.member.listen();
  try {
    victim.disk?.fill();
    hit();
    await tools.clock.sleep(chance.between(...FULL_MS));
    await saysFull(blow, heard);
  } finally {
    victim.disk?.free();
  }
}

export async function raiseFloor(blow: Blow<AgentMember>): Promise<void> {
  const { victim, chance, tools, hit } = blow;
  const { member, dataDirectory } = victim;
  const { bavail, bsize } = statfsSync(dataDirectory);
  const before = readFileSync(member.program.configFile, 'utf8');
  const config = parse(before) as { spool: Record<string, string> };
  config.spool['freeSpaceMin'] = `${Math.ceil((bavail * bsize) / 2 ** 20) * 2}MiB`;
  const heard = member.listen();
  try {
    await restartedWith(victim, stringify(config));
    hit(`spool.freeSpaceMin ${config.spool['freeSpaceMin']}`);
    await tools.clock.sleep(chance.between(...FULL_MS));
    await saysFull(blow, heard);
  } finally {
    await restartedWith(victim, before);
  }
}

async function restartedWith({ member }: AgentMember, config: string): Promise<void> {
  await member.kill();
  writeFileSync(member.program.configFile, config);
  await member.start();
}

async function saysFull({ victim, noticed }: Blow<AgentMember>, heard: () => string[]): Promise<void> {
  await eventually(
    `${victim.member.name} says that its disk is full`,
    () => heard().some((line) => FULL.some((words) => line.includes(words))),
    { deadlineMs: NOTICED_MS_MAX },
  );
  noticed();
}

export async function fillCollectorDisk(blow: Blow<CollectorMember>): Promise<void> {
  const { victim, hit, noticed } = blow;
  const heard = victim.member.listen();
  try {
    victim.disk?.fill();
    hit();
    if (await holdsWithin(LISTEN_MS, () => heard().some((line) => NO_SPACE.test(line)))) noticed();
  } finally {
    victim.disk?.free();
  }
}
