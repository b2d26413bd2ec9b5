// What processes have used so far, as the kernel counts it.
import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ: what /proc counts in, on x64 and arm64 alike. */
const TICKS_PER_SECOND = 100;

interface ProcessTimes {
  readonly parent: number;
  /** User and system time of all its threads, ended ones included. */
  readonly own: number;
  /** Of its children that have ended and were waited for, and of theirs. */
  readonly ended: number;
}

/** undefined once the process is gone. */
function processTimes(pid: number | string): ProcessTimes | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The name stands in parentheses and may hold anything. Behind it: state, parent ...; times are fields 14
  // to 17 of all.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const seconds = (field: number) => Number(fields[field - 3]) / TICKS_PER_SECOND;
  return { parent: Number(fields[1]), own: seconds(14) + seconds(15), ended: seconds(16) + seconds(17) };
}

/** User and system seconds of a running process. */
export function cpuSeconds(pid: number): number {
  const times = processTimes(pid);
  if (times === undefined) throw new Error(`process ${pid} is gone`);
  return times.own;
}

/**
 * User and system seconds of the threads that a running process has now, by their names, which Node gives
 * them.
 */
export function threadCpuSeconds(pid: number): Record<string, number> {
  const byName: Record<string, number> = {};
  for (const id of readdirSync(`/proc/${pid}/task`)) {
    const times = processTimes(`${pid}/task/${id}`);
    if (times === undefined) continue;
    const name = readFileSync(`/proc/${pid}/task/${id}/comm`, 'utf8').trim();
    byName[name] = Math.round(((byName[name] ?? 0) + times.own) * 100) / 100;
  }
  return byName;
}

/** User and system seconds of children of this process that have ended. */
export function endedChildrenCpuSeconds(): number {
  return processTimes(process.pid)?.ended ?? 0;
}

/** Every process that descends from `root`, itself included. */
export function processTree(root: number): number[] {
  return [...treeTimes(root).keys()];
}

/** User and system seconds of a process and everything it started, whether it still runs or not. */
export function treeCpuSeconds(root: number): number {
  return [...treeTimes(root).values()].reduce((sum, { own, ended }) => sum + own + ended, 0);
}

function treeTimes(root: number): Map<number, ProcessTimes> {
  const all = new Map<number, ProcessTimes>();
  for (const name of readdirSync('/proc')) {
    const times = /^\d+$/.test(name) ? processTimes(name) : undefined;
    if (times !== undefined) all.set(Number(name), times);
  }
  const descends = (pid: number): boolean =>
    pid === root || (all.has(pid) && descends(all.get(pid)?.parent ?? 0));
  return new Map([...all].filter(([pid]) => descends(pid)));
}

/** Seconds that the machine's cores have worked, for whomever. Stolen time counts: somebody had it. */
export function machineBusySeconds(): number {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0, steal = 0] = line
    .replace(/^cpu +/, '')
    .split(' ')
    .map(Number);
  return (user + nice + system + irq + softIrq + steal) / TICKS_PER_SECOND;
}

/** VmHWM: the most that was ever resident. 0 once the process is gone. */
export function peakRssBytes(pid: number): number {
  return statusBytes(pid, 'VmHWM');
}

/**
 * What is resident now: what a process has of its own, and the pages of its files, which are code above all
 * and are in memory once for all processes that have them. 0 once the process is gone.
 */
export function residentBytes(pid: number): { readonly own: number; readonly ofFiles: number } {
  return { own: statusBytes(pid, 'RssAnon'), ofFiles: statusBytes(pid, 'RssFile') };
}

function statusBytes(pid: number, name: 'VmHWM' | 'RssAnon' | 'RssFile'): number {
  try {
    const line = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm');
    return Number(line.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1_024;
  } catch {
    return 0;
  }
}
