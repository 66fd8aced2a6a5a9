// `--swap`: a disk that is one swap area, switched on when boot is done, as an init system does with /etc/fstab. From then on
// the disk may fail.

import { parseSize } from '../emu/config/option_text.ts';
import type { Disk, DiskSpec } from '../emu/devices/disk.ts';
import { disk_inject, lookup_disk } from '../kernel/drivers/block/disk.ts';
import { SWAP_FLAG_PREFER, SWAP_FLAG_PRIO_MASK } from '../kernel/include/swap.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { mkswap } from '../kernel/mm/mkswap.ts';
import { swapon } from '../kernel/mm/swapon.ts';
import { run_task } from '../kernel/sched/run_task.ts';
import { UsageError } from './command.ts';
import { errnoText } from './errno_text.ts';

export interface SwapSpec {
  readonly disk: DiskSpec;
  /** -1: behind those that came before. */
  readonly priority: number;
  /** Of a million. */
  readonly faults: { readonly read?: number; readonly write?: number; readonly stall?: number };
}

const SECTOR_SIZE = 512;
const PAGE_SIZE = 4096;
/** mkswap(8) refuses less. */
const MIN_PAGES = 10;
const MAX_SIZE = 2 ** 44;

const MILLION = 1e6;
/** Options with a number, and the most that it may be. */
const NUMBERS: Readonly<Record<string, number>> = {
  priority: SWAP_FLAG_PRIO_MASK,
  'read-errors': MILLION,
  'write-errors': MILLION,
  stalls: MILLION,
};

/** @param text "512M", "2G,rotating,priority=5,write-errors=1000". @param n how many disks come before */
export function parseSwapOption(text: string, n: number): SwapSpec {
  const refuse = (why: string): never => {
    throw new UsageError([`--swap ${text}: ${why}`]);
  };
  const [size = '', ...words] = text.split(',');
  const bytes = parseSize(size, 'M');
  if (typeof bytes !== 'bigint' || bytes > MAX_SIZE) return refuse(`"${size}" is no size of up to 16T, such as 512M`);
  const pages = Math.floor(Number(bytes) / PAGE_SIZE);
  if (pages < MIN_PAGES) return refuse(`an area has at least ${MIN_PAGES} pages, 40K`);
  const numbers: Record<string, number> = {};
  for (const word of words.filter((one) => one !== 'rotating')) {
    const [, name = '', value] = /^([a-z-]+)=(\d+)$/.exec(word) ?? [];
    const most = NUMBERS[name];
    if (most === undefined) return refuse(`"${word}" is neither rotating nor ${Object.keys(NUMBERS).join('=N, ')}=N`);
    if (Number(value) > most) return refuse(`${name} is at most ${most}`);
    numbers[name] = Number(value);
  }
  const { priority = -1, 'read-errors': read = 0, 'write-errors': write = 0, stalls: stall = 0 } = numbers;
  const disk = { sectors: pages * (PAGE_SIZE / SECTOR_SIZE), rotational: words.includes('rotating'), seed: n + 1 };
  return { disk, priority, faults: { read, write, stall } };
}

/** What mkswap(8) did to the disk before the machine was switched on. */
export function prepareSwap(disk: Disk): void {
  disk.poke(0, mkswap(disk.spec.sectors / (PAGE_SIZE / SECTOR_SIZE)));
}

/** swapon(8) for each disk, one after the other. @returns what went wrong, a line each */
export function switchSwapOn(k: Kernel, areas: readonly SwapSpec[]): string[] {
  if (areas.length === 0) return [];
  const problems: string[] = [];
  run_task(k, 'swapon', function* () {
    for (const [n, { priority, faults }] of areas.entries()) {
      const path = `/dev/vd${String.fromCharCode(97 + n)}`;
      const error = yield* swapon(k, path, priority < 0 ? 0 : SWAP_FLAG_PREFER | priority);
      if (error !== 0) problems.push(`--swap: ${path}: swapon: ${errnoText(error)}`);
      disk_inject(k, lookup_disk(k, path)!, faults);
    }
  });
  return problems;
}
