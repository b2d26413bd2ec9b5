// npm run format: Biome formats and repairs what it safely can.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from './test-files.ts';

const { status } = spawnSync(join(ROOT, 'node_modules/.bin/biome'), ['check', '--write', '.'], {
  cwd: ROOT,
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
