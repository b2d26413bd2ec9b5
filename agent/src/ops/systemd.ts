// Speaks to systemd (Type=notify) where it started us: READY and STATUS by the package, WATCHDOG by its own
// call, since the package knows only those two and Node has no datagram sockets. Without NOTIFY_SOCKET every
// call is a no-op.
import { spawn } from 'node:child_process';
import type { Cancel, Clock } from '@sluice/shared/clock.ts';
import notify from 'systemd-notify';

export interface SystemdNotifier {
  ready(): void;
  status(text: string): void;
  stopping(): void;
  /** Pets the watchdog every third of WatchdogSec while `isAlive` says so. */
  startWatchdog(isAlive: () => boolean): Cancel;
}

export function createSystemdNotifier(
  clock: Clock,
  environment: NodeJS.ProcessEnv = process.env,
): SystemdNotifier {
  if (!environment['NOTIFY_SOCKET'])
    return { ready() {}, status() {}, stopping() {}, startWatchdog: () => () => {} };
  const tell = (options: { ready?: boolean; status?: string }) => {
    notify({ pid: process.pid, ...options }).catch(() => {});
  };
  return {
    ready: () => tell({ ready: true }),
    status: (text) => tell({ status: text }),
    stopping: () => call('STOPPING=1'),
    startWatchdog(isAlive) {
      const intervalMs = Number(environment['WATCHDOG_USEC'] ?? 0) / 1_000 / 3;
      if (!(intervalMs > 0)) return () => {};
      let cancel: Cancel = () => {};
      const pet = () => {
        if (isAlive()) call('WATCHDOG=1');
        cancel = clock.after(intervalMs, pet);
      };
      pet();
      return () => cancel();
    },
  };
}

function call(state: string): void {
  spawn('systemd-notify', [`--pid=${process.pid}`, state], { stdio: 'ignore' }).on('error', () => {});
}
