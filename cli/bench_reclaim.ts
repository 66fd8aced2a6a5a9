// `pgdat bench reclaim`: how many pages a second reclaim gets through on this host, contents included, in machines of
// several sizes, so that it shows whether a page costs more where there are more of them.
//
// A quarter of memory is a task's own, and another is cached of a file, so that kswapd never has a reason to wake: all
// that is measured is a task that reclaims from its node. What comes between, such as faults, does not count.

import { parseQemuOptions } from '../emu/config/qemu_options.ts';
import { debian } from '../kernel/config.ts';
import { lookup_disk } from '../kernel/drivers/block/disk.ts';
import { __GFP_IO, GFP_KERNEL } from '../kernel/include/gfp_types.ts';
import { VM_READ, VM_WRITE } from '../kernel/include/mm.ts';
import { MAX_NR_ZONES } from '../kernel/include/mmzone.ts';
import { PAGE_SIZE } from '../kernel/include/types.ts';
import { PGREFILL, PGSCAN_DIRECT, PSWPIN, PSWPOUT } from '../kernel/include/vm_event_item.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { filemap_read, openFile, truncate_inode_pages } from '../kernel/mm/filemap_io.ts';
import { spawn_process, vm_mmap } from '../kernel/mm/mmap.ts';
import { scan_control } from '../kernel/mm/scan_control.ts';
import { shrink_node } from '../kernel/mm/shrink_node.ts';
import { user_access } from '../kernel/mm/uaccess.ts';
import { all_vm_events } from '../kernel/mm/vm_event.ts';
import { user_mode_thread } from '../kernel/sched/fork.ts';
import { memalloc_noreclaim_restore, memalloc_noreclaim_save } from '../kernel/sched/mm.ts';
import { run } from '../kernel/sched/run.ts';
import type { Sleeping } from '../kernel/sched/sleeping.ts';
import { made_progress } from '../kernel/sched/watchdog.ts';
import { UsageError } from './command.ts';
import { bootLab } from './lab.ts';
import { processTime } from './process_time.ts';
import { type Spread, spread } from './spread.ts';
import { prepareSwap, type SwapSpec, switchSwapOn } from './swap_option.ts';

/** Pages a second of this process's time. */
export interface ReclaimResult {
  readonly memory_mib: number;
  readonly name: string;
  /** What is done with one page. */
  readonly what: string;
  readonly pages_per_second: Spread;
}

const MIB = 2 ** 20;
const SECTORS = PAGE_SIZE / 512;
/** How many pages a round is about at least: where memory is small, it takes several laps. */
const PAGES_A_ROUND = 1 << 16;
const SWAP_IN = 'swap in';
const SWAP_OUT = 'swap out';
const SCAN = 'scan';
const DROP = 'drop';

const whats: Readonly<Record<string, string>> = {
  [SCAN]: 'looked at, found used since, and kept: mapped anonymous pages, active and inactive in turn',
  [DROP]: 'looked at, taken out of the page cache and freed: clean pages of a file',
  [SWAP_OUT]: 'unmapped, written to the swap area and freed: anonymous pages',
  [SWAP_IN]: 'read back by faults that write to them, with those next to them',
};

/** What one round has come to. */
class Meter {
  readonly ns: Record<string, number> = {};
  readonly pages: Record<string, number> = {};

  add(name: string, ns: number, pages: number): void {
    this.ns[name] = (this.ns[name] ?? 0) + ns;
    this.pages[name] = (this.pages[name] ?? 0) + pages;
  }
}

const events = (k: Kernel, ...items: readonly number[]): number => {
  const counts = all_vm_events(k);
  return items.reduce((sum, item) => sum + counts[item]!, 0);
};

function control(gfp_mask: number, may_swap: boolean): scan_control {
  const sc = new scan_control();
  sc.gfp_mask = gfp_mask;
  sc.may_swap = may_swap;
  sc.may_unmap = true;
  sc.may_writepage = true;
  sc.force_deactivate = true;
  sc.reclaim_idx = MAX_NR_ZONES - 1;
  sc.nr_to_reclaim = Number.MAX_SAFE_INTEGER;
  return sc;
}

/** A process with `pages` of its own, and a machine to reclaim from. */
class Bench {
  readonly k: Kernel;
  readonly pages: number;
  start = 0;

  constructor(k: Kernel) {
    this.k = k;
    this.pages = k.mm.totalram_pages >>> 2;
  }

  /** One look at all lists, as a task that is out of memory takes it. */
  *shrink(sc: scan_control): Sleeping<void> {
    const flags = memalloc_noreclaim_save(this.k);
    yield* shrink_node(this.k, this.k.node_data[0]!, sc);
    memalloc_noreclaim_restore(this.k, flags);
    made_progress(this.k);
  }

  /** Writes to the first `count` pages. */
  *touch(count: number): Sleeping<void> {
    const { k, start } = this;
    for (let page = 0; page < count; page++) {
      const pa = yield* user_access(k, k.current.mm!, start + page * PAGE_SIZE, true);
      k.hw.ram.set_u32(pa, page);
      made_progress(k);
    }
  }

  /** Without I/O anonymous pages stay, used or not. */
  *look(): Sleeping<void> {
    yield* this.shrink(control(GFP_KERNEL & ~__GFP_IO, true));
  }

  *scan(meter: Meter): Sleeping<void> {
    const { k } = this;
    yield* this.touch(this.pages);
    const before = events(k, PGSCAN_DIRECT, PGREFILL);
    const begun = processTime();
    yield* this.look();
    const ns = processTime() - begun;
    meter.add(SCAN, ns, events(k, PGSCAN_DIRECT, PGREFILL) - before);
  }

  *drop(meter: Meter): Sleeping<void> {
    const { k } = this;
    const f = openFile(k, lookup_disk(k, '/dev/vdb')!, 0, this.pages * PAGE_SIZE);
    const piece = new Uint8Array(128 * 1024);
    for (let at = 0; at < f.f_inode.i_size; at += piece.length) {
      yield* filemap_read(k, f, at, piece);
      made_progress(k);
    }
    const sc = control(GFP_KERNEL, false);
    const begun = processTime();
    yield* this.shrink(sc);
    meter.add(DROP, processTime() - begun, sc.nr_reclaimed);
    yield* truncate_inode_pages(k, f.f_inode.i_mapping);
  }

  *swap(meter: Meter): Sleeping<void> {
    const { k, pages } = this;
    // Nothing has been used since: accessed bits are clear.
    yield* this.look();
    const sc = control(GFP_KERNEL, true);
    const before = events(k, PSWPOUT);
    const out_begun = processTime();
    while (sc.nr_reclaimed < pages >>> 1) yield* this.shrink(sc);
    meter.add(SWAP_OUT, processTime() - out_begun, events(k, PSWPOUT) - before);
    const in_before = events(k, PSWPIN);
    const in_begun = processTime();
    yield* this.touch(pages);
    meter.add(SWAP_IN, processTime() - in_begun, events(k, PSWPIN) - in_before);
  }

  /** Both lists get half of the pages, so that from then on they change places. */
  *prepare(): Sleeping<void> {
    const { k, pages } = this;
    this.start = yield* vm_mmap(k, k.current.mm!, 0, pages * PAGE_SIZE, VM_READ | VM_WRITE);
    yield* this.touch(pages);
    yield* this.look();
    yield* this.touch(pages >>> 1);
    yield* this.look();
  }

  *rounds(meters: readonly Meter[]): Sleeping<void> {
    yield* this.prepare();
    for (const meter of meters) {
      const laps = Math.max(1, Math.ceil(PAGES_A_ROUND / this.pages));
      for (let lap = 0; lap < laps; lap++) yield* this.scan(meter);
      for (let lap = 0; lap < laps; lap++) yield* this.drop(meter);
      for (let lap = 0; lap < laps; lap++) yield* this.swap(meter);
    }
  }
}

/** A machine of one node with a swap area as large as half of its memory, and a disk for a file. */
function boot(memory_mib: number): Kernel {
  const parsed = parseQemuOptions(['-m', `${memory_mib}M`]);
  if ('errors' in parsed) throw new UsageError(parsed.errors);
  const sectors = ((memory_mib * MIB) / PAGE_SIZE / 2) * SECTORS;
  const area: SwapSpec = { disk: { sectors, seed: 1 }, priority: -1, faults: {} };
  const lab = bootLab({
    machine: parsed.config,
    kernel: debian,
    cmdline: '',
    firmware: 'none',
    disks: [area.disk, { sectors, seed: 2 }],
  });
  if (lab.stopped !== null) throw lab.stopped;
  const swap = lab.machine.disks[0]!;
  // As it is once all of it has been in use: that the host finds memory for it is no part of what is measured.
  for (let sector = 0; sector < sectors; sector += MIB / 512) swap.poke(sector, new Uint8Array(MIB).fill(1));
  prepareSwap(swap);
  const problems = switchSwapOn(lab.kernel, [area]);
  if (problems.length > 0) throw new UsageError(problems);
  return lab.kernel;
}

export function benchReclaim(memory_mib: number, rounds: number): ReclaimResult[] {
  const k = boot(memory_mib);
  const bench = new Bench(k);
  const meters = Array.from({ length: rounds + 1 }, () => new Meter());
  let done = false;
  user_mode_thread(k, 'bench', function* () {
    yield* spawn_process(k, 'reclaim', function* () {
      yield* bench.rounds(meters);
      done = true;
    });
  });
  const ended = run(k, { until: () => done });
  if (ended !== 'done') throw new Error(`the machine of ${memory_mib} MiB did not get to the end: ${ended}`);
  // The first round is for the host to get used to it.
  const counted = meters.slice(1);
  return Object.entries(whats).map(([name, what]) => ({
    memory_mib,
    name,
    what,
    pages_per_second: spread(counted.map(({ ns, pages }) => (pages[name]! / ns[name]!) * 1e9)),
  }));
}

const thousands = (n: number): string => Math.round(n).toLocaleString('en');

export function reclaimText(results: readonly ReclaimResult[]): string {
  return results
    .map(({ memory_mib, name, pages_per_second: { median, min, max } }) => {
      const machine = `${memory_mib} MiB`.padStart(8);
      const range = `(${thousands(min)} to ${thousands(max)})`;
      return `${machine}  ${name.padEnd(8)} ${thousands(median).padStart(11)} pages/s, ${(1e9 / median).toFixed(0).padStart(5)} ns each  ${range}`;
    })
    .join('\n');
}
