// A real file system that is soon full, for tests of what a disk without room does.
import { spawnSync } from 'node:child_process';
import type { TestContext } from 'node:test';
import { temporaryDirectory } from './temp.ts';

/** A tmpfs of these options; undefined, and the test is skipped by name, where none may be mounted. */
export function mountSmall(t: TestContext, options: string): string | undefined {
  const directory = temporaryDirectory();
  const isMounted =
    process.getuid?.() === 0 &&
    spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'sluice-test', directory]).status === 0;
  if (!isMounted) {
    t.skip('a tmpfs may not be mounted here');
    return undefined;
  }
  t.after(() => void spawnSync('umount', ['-l', directory]));
  return directory;
}
