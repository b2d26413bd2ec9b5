// The version that the agent calls itself, from its package.
import { readFileSync } from 'node:fs';

export const AGENT_VERSION = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version;
