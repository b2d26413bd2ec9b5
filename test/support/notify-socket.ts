// A notify socket as systemd would give one to a service, and what arrived there.
import { join } from 'node:path';
import { startProcess, waitUntilReady } from '@sluice/deploy/local/child-process.ts';
import { temporaryDirectory } from './temp.ts';

export interface NotifySocket {
  /** For NOTIFY_SOCKET. */
  readonly path: string;
  /** Every assignment that arrived (`READY=1`), in order; barriers left out. */
  received(): readonly string[];
  count(assignment: string): number;
  stop(): Promise<void>;
}

const START_MS_MAX = 10_000;

export async function startNotifySocket(): Promise<NotifySocket> {
  const path = join(temporaryDirectory(), 'notify');
  let output = '';
  const receiver = startProcess('python3', [join(import.meta.dirname, 'notify-receiver.py'), path], {
    onOutput: (text) => {
      output += text;
    },
  });
  await waitUntilReady(receiver, 'the notify socket', () => output.startsWith('"listening"\n'), START_MS_MAX);
  const received = () => {
    const lines = output.split('\n').slice(1, -1);
    const assignments = lines.flatMap((line) => (JSON.parse(line) as string).split('\n'));
    return assignments.filter((text) => text !== '' && text !== 'BARRIER=1');
  };
  const count = (assignment: string) => received().filter((text) => text === assignment).length;
  return { path, received, count, stop: () => receiver.stop() };
}
