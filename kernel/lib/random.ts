// The kernel's one generator of random numbers (Linux: drivers/char/random.c get_random_u32(), prandom_u32_max()).
//
// Differs from Linux: what it gives is decided by its seed alone, so that the same boot does the same thing twice. It is
// an xorshift of 32 bits (Marsaglia 2003): enough for chance, not for secrets.

import type { Kernel } from '../kernel.ts';

export class RandomState {
  /** Never 0. */
  state = 0x2545f491;
}

/** Begins another sequence. */
export function seed_random(k: Kernel, seed: number): void {
  k.random.state = seed >>> 0 || 0x2545f491;
}

function get_random_u32(k: Kernel): number {
  let x = k.random.state;
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  k.random.state = x >>> 0;
  return k.random.state;
}

/** Below `ceil`. */
export const prandom_u32_max = (k: Kernel, ceil: number): number => Math.floor((get_random_u32(k) / 2 ** 32) * ceil);
