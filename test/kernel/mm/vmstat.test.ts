import fc from 'fast-check';
import { expect, test } from 'vitest';
import { recorder } from '../../../kernel/config.ts';
import { MAX_ORDER, NR_FREE_PAGES, NR_MLOCK, per_cpu_zonestat } from '../../../kernel/include/mmzone.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { node_isset } from '../../../kernel/lib/nodemask.ts';
import { nr_free } from '../../../kernel/mm/free_list.ts';
import { free_reserved_area } from '../../../kernel/mm/free_reserved.ts';
import { memblock_free_all } from '../../../kernel/mm/memblock_free.ts';
import type { Zone } from '../../../kernel/mm/mmzone.ts';
import { setup_per_cpu_pageset } from '../../../kernel/mm/pageset.ts';
import { drain_local_pages } from '../../../kernel/mm/pcp.ts';
import { per_cpu_ptr, setup_per_cpu_areas } from '../../../kernel/mm/percpu.ts';
import {
  __mod_zone_page_state,
  global_zone_page_state,
  refresh_zone_stat_thresholds,
  vmstat_cpu_online,
  zone_page_state,
} from '../../../kernel/mm/vmstat.ts';
import { vmstat_update } from '../../../kernel/mm/vmstat_update.ts';
import { build_all_zonelists } from '../../../kernel/mm/zonelist.ts';
import { MiB } from '../../support/hw.ts';
import { drawnZones } from '../../support/zoned.ts';

/** One CPU, one node of 256 MiB: thresholds are 2 for DMA and 4 for DMA32. */
function machine(): { k: Kernel; dma: Zone; dma32: Zone } {
  const k = drawnZones({ memory: '0', unit: 256 * MiB, config: recorder });
  k.cpus.nr_cpu_ids = 1;
  setup_per_cpu_areas(k);
  build_all_zonelists(k);
  memblock_free_all(k);
  setup_per_cpu_pageset(k);
  const [dma, dma32] = k.node_data[0]!.node_zones as [Zone, Zone];
  return { k, dma, dma32 };
}

const threshold = (k: Kernel, zone: Zone): number =>
  k.hw.ram.u8(per_cpu_ptr(k, zone.per_cpu_zonestats, 0) + per_cpu_zonestat.offset.stat_threshold);

test('a change waits with the CPU until it passes the threshold; then all of it goes to the zone', () => {
  const { k, dma32 } = machine();
  refresh_zone_stat_thresholds(k);
  expect(threshold(k, dma32)).toBe(4);
  for (const [delta, zone, global] of [
    [3, 0, 0],
    [1, 0, 0],
    [1, 5, 5],
    [-4, 5, 5],
    [-1, 0, 0],
  ] as const) {
    __mod_zone_page_state(k, dma32, NR_MLOCK, delta);
    expect([zone_page_state(dma32, NR_MLOCK), global_zone_page_state(k, NR_MLOCK)]).toEqual([zone, global]);
  }
});

test('a zone never shows less than nothing', () => {
  const { k, dma } = machine();
  __mod_zone_page_state(k, dma, NR_MLOCK, -7);
  expect([zone_page_state(dma, NR_MLOCK), dma.vm_stat(NR_MLOCK)]).toEqual([0, -7]);
});

test('whatever is counted, zone and diff together are right, and diffs stay within the threshold', () => {
  const { k, dma, dma32 } = machine();
  refresh_zone_stat_thresholds(k);
  const zones = [dma, dma32];
  const sums = [0, 0];
  const step = fc.tuple(fc.integer({ min: 0, max: 1 }), fc.integer({ min: -1100, max: 1100 }));
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
      for (const [z, delta] of steps) {
        const zone = zones[z]!;
        __mod_zone_page_state(k, zone, NR_MLOCK, delta);
        sums[z]! += delta;
        expect(Math.abs(sums[z]! - zone.vm_stat(NR_MLOCK))).toBeLessThanOrEqual(threshold(k, zone));
      }
      vmstat_update(k);
      expect(zones.map((zone) => zone.vm_stat(NR_MLOCK))).toEqual(sums);
      expect(k.mm.vm_zone_stat[NR_MLOCK]).toBe(sums[0]! + sums[1]!);
    }),
    { numRuns: 60, seed: 61 },
  );
});

test('once diffs are folded, free pages are what is on the lists', () => {
  const { k, dma32 } = machine();
  refresh_zone_stat_thresholds(k);
  const onLists = (): number =>
    Array.from({ length: MAX_ORDER }, (_, order) => nr_free(dma32, order) * 2 ** order).reduce((a, b) => a + b);
  const pages = free_reserved_area(k, k.percpu.base[0]!, k.percpu.base[0]! + 3 * 4096, -1, null);
  drain_local_pages(k, null);
  expect([pages, zone_page_state(dma32, NR_FREE_PAGES)]).toEqual([3, onLists() - 3]);
  vmstat_update(k);
  expect(zone_page_state(dma32, NR_FREE_PAGES)).toBe(onLists());
});

test('where diffs could hide a breached min watermark, there is a mark below which to add them up', () => {
  const { k, dma, dma32 } = machine();
  dma32.set_watermark(0, 100);
  dma32.set_watermark(1, 200);
  dma32.set_watermark(2, 300);
  dma.set_watermark(0, 10);
  dma.set_watermark(1, 11);
  dma.set_watermark(2, 12);
  refresh_zone_stat_thresholds(k);
  expect([dma.percpu_drift_mark, dma32.percpu_drift_mark]).toEqual([12 + 2, 0]);
});

test('a CPU that comes online makes its node one with CPUs', () => {
  const { k } = machine();
  expect(node_isset(0, k.node_states.N_CPU)).toBe(false);
  vmstat_cpu_online(k, 0);
  expect(node_isset(0, k.node_states.N_CPU)).toBe(true);
});
