import { expect, test } from 'vitest';
import { __GFP_THISNODE, GFP_KERNEL } from '../../../kernel/include/gfp_types.ts';
import { NR_FREE_PAGES, NR_MLOCK } from '../../../kernel/include/mmzone.ts';
import { PCP_COUNT } from '../../../kernel/include/zone_words.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { page_zone } from '../../../kernel/mm/page.ts';
import { __alloc_pages, __free_pages } from '../../../kernel/mm/page_alloc.ts';
import { __mod_zone_page_state, refresh_zone_stat_thresholds } from '../../../kernel/mm/vmstat.ts';
import { start_shepherd_timer } from '../../../kernel/mm/vmstat_shepherd.ts';
import { vmstat_update } from '../../../kernel/mm/vmstat_update.ts';
import { zone_cpu } from '../../../kernel/mm/zone_cpu.ts';
import { run } from '../../../kernel/sched/run.ts';
import { drawnAllocator } from '../../support/allocator.ts';
import { MiB } from '../../support/hw.ts';

const machine = (memory: string): Kernel => {
  const k = drawnAllocator({ memory, unit: 64 * MiB });
  refresh_zone_stat_thresholds(k);
  start_shepherd_timer(k);
  return k;
};
const seconds = (n: number) => ({ for_ns: n * 1e9 });

test('what a CPU holds back of a counter is handed on every second', () => {
  const k = machine('0');
  const zone = k.node_data[0]!.node_zones[1]!;
  __mod_zone_page_state(k, zone, NR_MLOCK, 1);
  run(k, seconds(0.9));
  expect(zone.vm_stat(NR_MLOCK)).toBe(0);
  run(k, seconds(0.2));
  expect(zone.vm_stat(NR_MLOCK)).toBe(1);
  __mod_zone_page_state(k, zone, NR_MLOCK, -1);
  run(k, seconds(1));
  expect(zone.vm_stat(NR_MLOCK)).toBe(0);
  // It is not what keeps a machine alive.
  expect(run(k, {})).toBe('idle');
});

test('pages of another node that nobody has asked for in three seconds go back, those of the own node stay', () => {
  const k = machine('01');
  const [own, other] = [0, 1].map((nid) => {
    const pfn = __alloc_pages(k, GFP_KERNEL | __GFP_THISNODE, 0, nid);
    __free_pages(k, pfn, 0);
    return page_zone(k, pfn);
  });
  vmstat_update(k);
  const count = (zone: typeof own): number => zone_cpu(k, zone!, 0).pcp[PCP_COUNT]!;
  const before = [own, other].map(count);
  expect(before.every((pages) => pages > 0)).toBe(true);
  const free = other!.vm_stat(NR_FREE_PAGES);
  // The next change of its counters starts the count.
  __mod_zone_page_state(k, other!, NR_MLOCK, 1);
  run(k, seconds(2.5));
  expect([own, other].map(count)).toEqual(before);
  run(k, seconds(1));
  expect([count(own), count(other)]).toEqual([before[0], 0]);
  run(k, seconds(1));
  expect(other!.vm_stat(NR_FREE_PAGES)).toBe(free + before[1]!);
});
