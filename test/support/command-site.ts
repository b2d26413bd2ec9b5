// Collectors of one lake, one config after the other, and the commands that run beside them with the config
// of each.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fastClock } from './link-ends.ts';
import { temporaryDirectory } from './temp.ts';
import { startWholeCollector } from './whole-collector.ts';

const main = join(import.meta.dirname, '../../collector/bin/sluice-collector.mjs');

type Tls = Parameters<typeof startWholeCollector>[1]['tls'];

/** `beside`: tables that every config has. */
export function createCommandSite(t: TestContext, tls: Tls, beside: readonly object[] = []) {
  const directory = temporaryDirectory();
  const lake = join(directory, 'lake');
  return {
    lake,
    start: (id: string, table: object) => {
      const tables = [table, ...beside];
      return startWholeCollector(t, { directory, lake, id, tls, topics: [], tables, clock: fastClock });
    },
    /** What it prints as JSON; it must end well. */
    command(id: string, name: string, ...rest: readonly string[]) {
      const all = [main, name, '--config', join(directory, `${id}.yaml`), '--json', ...rest];
      const { status, stdout, stderr } = spawnSync(process.execPath, all, { encoding: 'utf8' });
      assert.equal(status, 0, stderr);
      return JSON.parse(stdout);
    },
  };
}
