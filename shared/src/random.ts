// The only file that draws numbers. A seeded Random makes a simulation repeat itself.
import { randomBytes } from 'node:crypto';

export interface Random {
  /** Uniform in [0, 1). */
  fraction(): number;
  /** `bytes` random bytes as lower-case hex: identities, tokens, window ids. */
  hex(bytes: number): string;
}

export const systemRandom: Random = {
  fraction: () => randomBytes(4).readUInt32BE(0) / 0x1_0000_0000,
  hex: (bytes) => randomBytes(bytes).toString('hex'),
};
