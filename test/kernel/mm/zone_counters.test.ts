import { expect, test } from 'vitest';
import { recorder } from '../../../kernel/config.ts';
import { NR_FREE_CMA_PAGES, NR_FREE_PAGES, NR_MLOCK, per_cpu_zonestat } from '../../../kernel/include/mmzone.ts';
import { per_cpu_ptr } from '../../../kernel/mm/percpu.ts';
import { __mod_zone_page_state, global_zone_page_state } from '../../../kernel/mm/vmstat.ts';
import { MiB } from '../../support/hw.ts';
import { drawnZones } from '../../support/zoned.ts';

/** A zone whose CPU may hold back up to `threshold`. */
function withThreshold(threshold: number) {
  const k = drawnZones({ memory: '0', unit: 64 * MiB, config: recorder });
  const zone = k.node_data[0]!.node_zones[1]!;
  const stats = per_cpu_ptr(k, zone.per_cpu_zonestats, 0);
  k.hw.ram.set_u8(stats + per_cpu_zonestat.offset.stat_threshold, threshold);
  const diff = (item: number): number => (k.hw.ram.u8(stats + item) << 24) >> 24;
  return { k, zone, diff };
}

test('before per-cpu areas everything goes to the zone at once', () => {
  const { k, zone, diff } = withThreshold(0);
  __mod_zone_page_state(k, zone, NR_FREE_PAGES, 1024);
  __mod_zone_page_state(k, zone, NR_FREE_PAGES, -1);
  expect([zone.vm_stat(NR_FREE_PAGES), diff(NR_FREE_PAGES)]).toEqual([1023, 0]);
  expect(global_zone_page_state(k, NR_FREE_PAGES)).toBe(1023);
});

test.each([NR_FREE_PAGES, NR_MLOCK, NR_FREE_CMA_PAGES])('counter %i: a CPU holds back up to its threshold', (item) => {
  const { k, zone, diff } = withThreshold(125);
  const seen: [number, number][] = [];
  for (const delta of [100, 25, 1, -125, -1, 300, -400]) {
    __mod_zone_page_state(k, zone, item, delta);
    seen.push([zone.vm_stat(item), diff(item)]);
  }
  expect(seen).toEqual([
    [0, 100],
    [0, 125],
    [126, 0],
    [126, -125],
    [0, 0],
    [300, 0],
    [-100, 0],
  ]);
});

test('counters that share a word do not touch each other', () => {
  const { k, zone, diff } = withThreshold(125);
  for (let item = 0; item <= NR_FREE_CMA_PAGES; item++) __mod_zone_page_state(k, zone, item, item % 2 ? item : -item);
  expect(Array.from({ length: 11 }, (_, item) => diff(item))).toEqual([0, 1, -2, 3, -4, 5, -6, 7, -8, 9, -10]);
  expect(k.hw.ram.u8(per_cpu_ptr(k, zone.per_cpu_zonestats, 0) + per_cpu_zonestat.offset.stat_threshold)).toBe(125);
});
