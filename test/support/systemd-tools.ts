// systemd's own tools for tests of the unit and of what the agent tells systemd. On a machine without them
// they are installed where that can be done without asking; elsewhere the error says how.
import { execFileSync, spawnSync } from 'node:child_process';

const PACKAGE = 'systemd';
const INSTALL = ['install', '-y', '-qq', '--no-install-recommends', PACKAGE];

export function ensureSystemdTools(): void {
  if (hasTools()) return;
  if (process.getuid?.() === 0 && spawnSync('apt-get', ['--version']).status === 0) {
    const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    execFileSync('apt-get', ['update', '-qq'], { stdio: 'ignore', env: environment });
    execFileSync('apt-get', INSTALL, { stdio: 'ignore', env: environment });
  }
  if (!hasTools())
    throw new Error(`systemd-analyze and systemd-notify are missing here: apt-get install -y ${PACKAGE}`);
}

function hasTools(): boolean {
  return ['systemd-analyze', 'systemd-notify'].every((tool) => spawnSync(tool, ['--version']).status === 0);
}
