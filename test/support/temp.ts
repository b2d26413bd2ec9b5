// Temporary directories of one test process, removed when it ends.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const made: string[] = [];

process.on('exit', () => {
  for (const path of made) rmSync(path, { recursive: true, force: true });
});

/** A fresh directory, private to this process. */
export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'sluice-test-'));
  made.push(path);
  return path;
}
