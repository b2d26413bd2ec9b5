// The sections that stand in both programs' config files alike.
import { z } from 'zod';
import { hostPort } from './units.ts';

/** `address` is the default. */
export function httpSection(address: string) {
  return z
    .strictObject({
      address: hostPort().prefault(address).describe('Where /livez, /readyz, /healthz and /metrics listen'),
    })
    .prefault({})
    .describe('The page for monitoring');
}

export function logSection() {
  return z
    .strictObject({
      level: z
        .enum(['debug', 'info', 'warn', 'error'])
        .default('info')
        .describe('Lines below this level are left out'),
    })
    .prefault({})
    .describe('Log lines on stderr');
}
