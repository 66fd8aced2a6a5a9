// What docs/recorder/pressure/press.c does in a real kernel's processes, as tasks.

import { cgroup_mkdir, cgroup_write } from '../../kernel/cgroup/memory_files.ts';
import { lookup_disk } from '../../kernel/drivers/block/disk.ts';
import { extfrag_show, unusable_show } from '../../kernel/fs/extfrag.ts';
import { frag_show } from '../../kernel/fs/proc/buddyinfo.ts';
import {
  __GFP_COMP,
  __GFP_NOWARN,
  __GFP_RETRY_MAYFAIL,
  __GFP_THISNODE,
  GFP_ATOMIC,
  GFP_HIGHUSER_MOVABLE,
} from '../../kernel/include/gfp_types.ts';
import { NR_FREE_PAGES } from '../../kernel/include/mmzone.ts';
import { PAGE_SIZE } from '../../kernel/include/types.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { compact_nodes } from '../../kernel/mm/compaction.ts';
import { filemap_read, openDisk } from '../../kernel/mm/filemap_io.ts';
import { type mem_cgroup, mem_cgroup_attach } from '../../kernel/mm/memcontrol.ts';
import { vma_lookup } from '../../kernel/mm/mm_struct.ts';
import { unmap_page_range } from '../../kernel/mm/mmap.ts';
import { tlb_finish_mmu, tlb_gather_mmu } from '../../kernel/mm/mmu_gather.ts';
import { for_each_populated_zone } from '../../kernel/mm/mmzone_iter.ts';
import { __alloc_pages, alloc_pages_sleeping } from '../../kernel/mm/page_alloc.ts';
import { zone_page_state } from '../../kernel/mm/vmstat.ts';
import { cond_resched } from '../../kernel/sched/core.ts';
import type { Sleeping } from '../../kernel/sched/sleeping.ts';
import { schedule_timeout_uninterruptible } from '../../kernel/sched/timeout.ts';
import { call_at } from '../../kernel/sched/timer.ts';
import { made_progress } from '../../kernel/sched/watchdog.ts';
import { write_and_read } from '../../kernel/workloads/fill.ts';
import type { Actor, WorkloadRun } from '../../kernel/workloads/workload_run.ts';

/** Free blocks of a zone by order, and how little use they are: as buddyinfo, extfrag_index and unusable_index have it. */
export function fragmentation(k: Kernel, name: string): { buddies: number[]; index: string[]; unusable: string[] } {
  const columns = (file: string): string[] => {
    const line = file.split('\n').find((one) => one.includes(` ${name} `))!;
    return line.trim().split(/ +/).slice(4);
  };
  return {
    buddies: columns(frag_show(k)).map(Number),
    index: columns(extfrag_show(k)),
    unusable: columns(unusable_show(k)),
  };
}

/** Takes all that is free but `left` pages, gives three of four back, and goes on to `then`. */
export function holes(left: number, then: (actor: Actor) => Sleeping<void>) {
  return function* (run: WorkloadRun): Sleeping<void> {
    yield* run.start('holes', function* (actor) {
      const { k } = run;
      let free = 0;
      for (const zone of for_each_populated_zone(k)) free += zone_page_state(zone, NR_FREE_PAGES);
      const pages = free - left;
      const region = yield* actor.map(pages);
      for (let page = 0; page < pages; page++) yield* actor.write(region, page);
      const vma = vma_lookup(k.current.mm!, region.start)!;
      for (let page = 0; page < pages; page++) {
        if (page % 4 === 0) continue;
        const tlb = tlb_gather_mmu(k);
        const at = region.start + page * PAGE_SIZE;
        yield* unmap_page_range(k, tlb, vma, at, at + PAGE_SIZE);
        tlb_finish_mmu(k, tlb);
      }
      yield* then(actor);
      for (let page = 0; page < pages; page += 4) yield* actor.check(region, page);
    });
  };
}

/** In the real machine the shell had waited so long. */
const PAUSE_JIFFIES = 10 * 250;

export function* pause(actor: Actor): Sleeping<void> {
  yield* schedule_timeout_uninterruptible(actor.run.k, PAUSE_JIFFIES);
}

export function* compact(actor: Actor): Sleeping<void> {
  yield* compact_nodes(actor.run.k);
}

/** As vm.nr_hugepages asks for them. @returns how many there were */
export function* huge(actor: Actor, count: number): Sleeping<number> {
  const { k } = actor.run;
  for (let n = 0; n < count; n++) {
    const gfp = GFP_HIGHUSER_MOVABLE | __GFP_THISNODE | __GFP_COMP | __GFP_NOWARN | __GFP_RETRY_MAYFAIL;
    const pfn = yield* alloc_pages_sleeping(k, gfp, 9, 0);
    if (pfn < 0) return n;
    actor.run.took(actor, pfn, 9);
  }
  return count;
}

const CHUNK = 16;

/** Reads a working set twice, and then, between reads of what is used once only, bit by bit once more. */
export const stream = (hot: number, pages: number) =>
  function* (run: WorkloadRun): Sleeping<void> {
    yield* run.start('stream', function* ({ run: { k } }) {
      const f = openDisk(k, lookup_disk(k, '/dev/vdb')!);
      const into = new Uint8Array(CHUNK * PAGE_SIZE);
      for (let round = 0; round < 2; round++) {
        for (let page = 0; page < hot; page += CHUNK) {
          yield* filemap_read(k, f, page * PAGE_SIZE, into);
          made_progress(k);
        }
      }
      for (let page = 0; page < pages; page += CHUNK) {
        yield* filemap_read(k, f, (hot + page) * PAGE_SIZE, into);
        if (page % (4 * CHUNK) === 0) yield* filemap_read(k, f, (Math.floor(page / 4) % hot) * PAGE_SIZE, into);
        made_progress(k);
      }
    });
  };

/** As docs/recorder/pressure/burst has it: blocks, and pages of DMA32. */
export interface Burst {
  readonly asked: number;
  readonly got: number;
  readonly free_before: number;
  readonly free_after: number;
  readonly reserved: number;
}

/** Context: interrupt. */
function take_burst(actor: Actor, asked: number, order: number): Burst {
  const { k } = actor.run;
  const zone = [...for_each_populated_zone(k)].find(({ name }) => name === 'DMA32')!;
  const free_before = zone_page_state(zone, NR_FREE_PAGES);
  let got = 0;
  for (let n = 0; n < asked; n++) {
    const pfn = __alloc_pages(k, GFP_ATOMIC | __GFP_COMP, order, 0);
    if (pfn < 0) continue;
    actor.run.took(actor, pfn, order);
    got++;
  }
  const { nr_reserved_highatomic: reserved } = zone;
  return { asked, got, free_before, free_after: zone_page_state(zone, NR_FREE_PAGES), reserved };
}

/** Does something in an interrupt, now. */
function* interrupt(k: Kernel, fn: () => void): Sleeping<void> {
  let done = false;
  call_at(k, k.sched.now, () => {
    fn();
    done = true;
  });
  while (!done) yield* cond_resched(k);
}

/** Reads so many pages once; between any `every` of them an interrupt takes blocks, or gives them back. */
export const bursts = (pages: number, every: number, blocks: number, order: number, seen: Burst[]) =>
  function* (run: WorkloadRun): Sleeping<void> {
    const { k } = run;
    const card = run.actor('interrupts');
    yield* run.start('press', function* () {
      const f = openDisk(k, lookup_disk(k, '/dev/vdb')!);
      const into = new Uint8Array(CHUNK * PAGE_SIZE);
      for (let page = 0; page < pages; page += CHUNK) {
        yield* filemap_read(k, f, page * PAGE_SIZE, into);
        made_progress(k);
        const whole = (page + CHUNK) / every;
        if (whole % 2 === 1) yield* interrupt(k, () => seen.push(take_burst(card, blocks, order)));
        else if (whole % 2 === 0) yield* interrupt(k, () => give_all(card));
      }
      run.end(card, 'finished');
    });
  };

function give_all({ run }: Actor): void {
  for (const block of run.blocks.values()) if (block.order > 0) run.give(block);
}

/** In a cgroup g with a memory.max of 64 MiB: so many pages are written, an eighth of them again, all of them read. */
export function limited(pages: number) {
  return function* (run: WorkloadRun): Sleeping<void> {
    const { k } = run;
    const memcg = (yield* cgroup_mkdir(k, k.memcg.root_mem_cgroup, 'g')) as mem_cgroup;
    yield* cgroup_write(k, memcg, 'memory.max', '64M');
    mem_cgroup_attach(k, memcg, k.current);
    yield* run.start('press', (actor) => write_and_read(actor, pages));
  };
}
