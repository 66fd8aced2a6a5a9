// `--swap`: a disk that is one swap area, switched on when boot is done, as an init system does with /etc/fstab.

import { parseSize } from '../emu/config/option_text.ts';
import type { Disk, DiskSpec } from '../emu/devices/disk.ts';
import { SWAP_FLAG_PREFER, SWAP_FLAG_PRIO_MASK } from '../kernel/include/swap.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { mkswap } from '../kernel/mm/mkswap.ts';
import { swapon } from '../kernel/mm/swapon.ts';
import { user_mode_thread } from '../kernel/sched/fork.ts';
import { run } from '../kernel/sched/run.ts';
import { UsageError } from './command.ts';
import { errnoText } from './errno_text.ts';

export interface SwapSpec {
  readonly disk: DiskSpec;
  /** -1: behind those that came before. */
  readonly priority: number;
}

const SECTOR_SIZE = 512;
const PAGE_SIZE = 4096;
/** mkswap(8) refuses less. */
const MIN_PAGES = 10;
const MAX_SIZE = 2 ** 44;

/** @param text "512M", "2G,rotating,priority=5". @param n how many disks come before */
export function parseSwapOption(text: string, n: number): SwapSpec {
  const refuse = (why: string): never => {
    throw new UsageError([`--swap ${text}: ${why}`]);
  };
  const [size = '', ...words] = text.split(',');
  const bytes = parseSize(size, 'M');
  if (typeof bytes !== 'bigint' || bytes > MAX_SIZE) return refuse(`"${size}" is no size of up to 16T, such as 512M`);
  const pages = Math.floor(Number(bytes) / PAGE_SIZE);
  if (pages < MIN_PAGES) return refuse(`an area has at least ${MIN_PAGES} pages, 40K`);
  let rotational = false;
  let priority = -1;
  for (const word of words) {
    const value = /^priority=(\d+)$/.exec(word)?.[1];
    if (word === 'rotating') rotational = true;
    else if (value === undefined) return refuse(`"${word}" is neither rotating nor priority=N`);
    else if (Number(value) > SWAP_FLAG_PRIO_MASK) return refuse(`a priority is at most ${SWAP_FLAG_PRIO_MASK}`);
    else priority = Number(value);
  }
  return { disk: { sectors: pages * (PAGE_SIZE / SECTOR_SIZE), rotational, seed: n + 1 }, priority };
}

/** What mkswap(8) did to the disk before the machine was switched on. */
export function prepareSwap(disk: Disk): void {
  disk.poke(0, mkswap(disk.spec.sectors / (PAGE_SIZE / SECTOR_SIZE)));
}

/** swapon(8) for each disk, one after the other. @returns what went wrong, a line each */
export function switchSwapOn(k: Kernel, areas: readonly SwapSpec[]): string[] {
  if (areas.length === 0) return [];
  const problems: string[] = [];
  let done = false;
  user_mode_thread(k, 'swapon', function* () {
    for (const [n, { priority }] of areas.entries()) {
      const path = `/dev/vd${String.fromCharCode(97 + n)}`;
      const error = yield* swapon(k, path, priority < 0 ? 0 : SWAP_FLAG_PREFER | priority);
      if (error !== 0) problems.push(`--swap: ${path}: swapon: ${errnoText(error)}`);
    }
    done = true;
  });
  run(k, { until: () => done });
  return problems;
}
