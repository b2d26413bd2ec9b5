// The version that the collector calls itself, from its package.
import { readFileSync } from 'node:fs';

export const COLLECTOR_VERSION = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version;
