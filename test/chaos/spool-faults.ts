// What befalls an agent's spool while the agent is down. A file whose head is broken must be named in its log
// when it starts. Bytes overwritten anywhere may hit what nobody needs; a damaged segment may be committed
// before it is read again: there the log is asked, and silence is fine.
import { closeSync, existsSync, globSync, openSync, readdirSync, rmSync, statSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { openSpoolFile } from '@sluice/agent/spool/sqlite-file.ts';
import type { Chance } from '../simulation/chance.ts';
import { eventually, holdsWithin } from '../support/eventually.ts';
import { type AgentMember, type Blow, downWhile } from './blow.ts';
import { DROPPED, SET_ASIDE } from './words.ts';

/** Bytes that are overwritten, in each place. */
const GARBAGE_BYTES = 64;
/** How SQLite begins a database and its log: without these it reads neither. */
const HEAD_BYTES = 100;
/** A spool that has just been made has no file yet. */
const SPOOLED_MS_MAX = 60_000;
const NOTICED_MS_MAX = 60_000;
/** For what may go unnoticed. */
const LISTEN_MS = 5_000;

export function loseData(blow: Blow<AgentMember>): Promise<void> {
  const { dataDirectory } = blow.victim;
  return downWhile(blow, () => {
    blow.hit();
    // What is in it, and not itself: it may be a file system.
    for (const name of readdirSync(dataDirectory)) rmSync(join(dataDirectory, name), { recursive: true });
  });
}

/** The agent must say which file it set aside. */
export async function breakSpoolFile(blow: Blow<AgentMember>): Promise<void> {
  const { victim, chance, hit, noticed } = blow;
  const { member } = victim;
  if (!(await hasSpooled(victim))) return;
  const heard = member.listen();
  let broken = '';
  await downWhile(blow, () => {
    const [first, ...others] = spoolFiles(victim, 'db');
    if (first === undefined) return;
    broken = chance.pick([first, ...others]);
    const wal = `${broken}-wal`;
    for (const file of existsSync(wal) ? [broken, wal] : [broken]) overwrite(file, 0, chance.hex(HEAD_BYTES));
    hit(basename(broken));
  });
  if (broken === '') return;
  await eventually(
    `${member.name} says that ${broken} is broken`,
    () => heard().some((line) => line.includes(SET_ASIDE) && line.includes(broken)),
    { deadlineMs: NOTICED_MS_MAX },
  );
  noticed();
}

export async function overwriteSpool(blow: Blow<AgentMember>): Promise<void> {
  const { victim, chance, hit, noticed } = blow;
  if (!(await hasSpooled(victim))) return;
  const heard = victim.member.listen();
  await downWhile(blow, () => {
    const [first, ...others] = spoolFiles(victim, '{db,db-wal}');
    if (first === undefined) return;
    const file = chance.pick([first, ...others]);
    const last = Math.max(0, statSync(file).size - GARBAGE_BYTES);
    const places = Array.from({ length: chance.between(1, 4) }, () => chance.between(0, last));
    for (const at of places) overwrite(file, at, chance.hex(GARBAGE_BYTES));
    hit(`${basename(file)} at ${places.join(', ')}`);
  });
  const says = (line: string) => line.includes(SET_ASIDE) || line.includes(DROPPED);
  if (await holdsWithin(LISTEN_MS, () => heard().some(says))) noticed();
}

/** One bit of each segment in the newest file of a topic, as a disk would flip it. */
export async function damageSegments(blow: Blow<AgentMember>): Promise<void> {
  const { victim, hit, noticed } = blow;
  if (!(await hasSpooled(victim))) return;
  const heard = victim.member.listen();
  await downWhile(blow, () => {
    let damaged = 0;
    for (const path of spoolFiles(victim, 'db')) damaged += flipBits(path, blow.chance);
    if (damaged > 0) hit(`${damaged} segments`);
  });
  if (await holdsWithin(LISTEN_MS, () => heard().some((line) => line.includes(DROPPED)))) noticed();
}

function flipBits(path: string, chance: Chance): number {
  let file: ReturnType<typeof openSpoolFile>;
  try {
    file = openSpoolFile(path, decodeURIComponent(basename(dirname(path))));
  } catch {
    return 0; // broken already, in another turn
  }
  try {
    let damaged = 0;
    for (const header of file.headers()) {
      const segment = file.read(header, header.startOffset);
      if (segment === undefined || segment.payload.length === 0) continue;
      const payload = Buffer.from(segment.payload);
      const at = chance.between(0, payload.length - 1);
      payload.writeUInt8(payload.readUInt8(at) ^ 1, at);
      file.append([{ ...segment, payload }], header.spooledMs);
      damaged++;
    }
    return damaged;
  } catch {
    return 0;
  } finally {
    file.close();
  }
}

function hasSpooled(agent: AgentMember): Promise<boolean> {
  return holdsWithin(SPOOLED_MS_MAX, () => spoolFiles(agent, 'db').length > 0);
}

function spoolFiles({ dataDirectory }: AgentMember, extension: string): string[] {
  return globSync(`spool/**/*.${extension}`, { cwd: dataDirectory })
    .map((file) => join(dataDirectory, file))
    .filter((file) => (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0)
    .sort();
}

function overwrite(path: string, at: number, hex: string): void {
  const file = openSync(path, 'r+');
  try {
    writeSync(file, Buffer.from(hex, 'hex'), 0, hex.length / 2, at);
  } finally {
    closeSync(file);
  }
}
