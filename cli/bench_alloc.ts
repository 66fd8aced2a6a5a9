// `pgdat bench alloc`: what a request costs on this host, in nanoseconds of an allocation and a free together, order by
// order, in a booted kernel. Measured as the recorder measures Linux: a loop of pairs, GFP_ATOMIC, one CPU.

import { parseQemuOptions } from '../emu/config/qemu_options.ts';
import { type KernelConfig, recorder } from '../kernel/config.ts';
import { __GFP_BITS_MASK, __GFP_NOWARN, GFP_ATOMIC } from '../kernel/include/gfp_types.ts';
import { MAX_ORDER } from '../kernel/include/mmzone.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { __alloc_pages, __free_pages } from '../kernel/mm/page_alloc.ts';
import { UsageError } from './command.ts';
import { bootLab } from './lab.ts';
import { type Spread, spread } from './spread.ts';

export interface PairResult {
  readonly order: number;
  /** Median of the rounds. */
  readonly ns: number;
  readonly min: number;
  readonly max: number;
}

const GFP = GFP_ATOMIC | __GFP_NOWARN;

/** A kernel of the default machine, or of the one that QEMU's options describe. */
export function benchKernel(qemu: readonly string[] = [], config: KernelConfig = recorder): Kernel {
  const parsed = parseQemuOptions(qemu);
  if ('errors' in parsed) throw new UsageError(parsed.errors);
  const { kernel, stopped } = bootLab({ machine: parsed.config, kernel: config, cmdline: '', firmware: 'none' });
  if (stopped !== null) throw stopped;
  kernel.page_alloc.gfp_allowed_mask = __GFP_BITS_MASK;
  return kernel;
}

function pairs(k: Kernel, order: number, count: number): void {
  for (let i = 0; i < count; i++) {
    const pfn = __alloc_pages(k, GFP, order, 0, null);
    if (pfn >= 0) __free_pages(k, pfn, order);
  }
}

/** ns a pair, of each round. Orders take turns, so that what else the host does meets all of them. */
export function benchPairs(k: Kernel, rounds: number): PairResult[] {
  const counts = Array.from({ length: MAX_ORDER }, (_, order) => (order <= 3 ? 100_000 : 200_000 >> (order - 3)));
  const found: number[][] = counts.map(() => []);
  for (let round = -2; round < rounds; round++) {
    for (let order = 0; order < MAX_ORDER; order++) {
      // Time of this process: what others take of the host's CPUs does not count.
      const begun = process.cpuUsage();
      pairs(k, order, counts[order]!);
      const { user, system } = process.cpuUsage(begun);
      const ns = ((user + system) * 1e3) / counts[order]!;
      if (round >= 0) found[order]!.push(ns);
    }
  }
  return found.map((ns, order) => {
    const { median, min, max }: Spread = spread(ns);
    return { order, ns: median, min, max };
  });
}

export const pairsText = (results: readonly PairResult[]): string =>
  results
    .map(({ order, ns, min, max }) => {
      const range = `(${min.toFixed(1)} to ${max.toFixed(1)})`;
      return `order ${String(order).padStart(2)}  ${ns.toFixed(1).padStart(8)} ns per alloc+free pair  ${range}`;
    })
    .join('\n');
