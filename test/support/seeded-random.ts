// Random numbers that a seed repeats (mulberry32).
import type { Random } from '@sluice/shared/random.ts';

export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const fraction = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  };
  return {
    fraction,
    hex: (bytes) =>
      Array.from({ length: bytes * 2 }, () => Math.floor(fraction() * 16).toString(16)).join(''),
  };
}
