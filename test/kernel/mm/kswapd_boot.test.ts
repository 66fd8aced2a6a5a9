import { expect, test } from 'vitest';
import { recorder } from '../../../kernel/config.ts';
import { NR_FREE_PAGES, WMARK_HIGH } from '../../../kernel/include/mmzone.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { node_set } from '../../../kernel/lib/nodemask.ts';
import { kswapd_init } from '../../../kernel/mm/kswapd.ts';
import { memblock_free_all } from '../../../kernel/mm/memblock_free.ts';
import type { Zone } from '../../../kernel/mm/mmzone.ts';
import { setup_per_cpu_pageset } from '../../../kernel/mm/pageset.ts';
import { setup_per_cpu_areas } from '../../../kernel/mm/percpu.ts';
import { refresh_zone_stat_thresholds, zone_stat_threshold } from '../../../kernel/mm/vmstat.ts';
import { build_all_zonelists } from '../../../kernel/mm/zonelist.ts';
import { MiB } from '../../support/hw.ts';
import { drawnZones } from '../../support/zoned.ts';

/**
 * Two CPUs, one node, two times 256 MiB: DMA and DMA32. Thresholds are set while there are no watermarks yet, as when
 * the second CPU comes up; then DMA32 grows as if it had been given gigantic pages back.
 */
function grown(): { k: Kernel; dma32: Zone } {
  const k = drawnZones({ memory: '00', unit: 256 * MiB, config: recorder });
  k.cpus.nr_cpu_ids = 2;
  node_set(1, k.cpus.cpu_possible_mask);
  setup_per_cpu_areas(k);
  build_all_zonelists(k);
  memblock_free_all(k);
  setup_per_cpu_pageset(k);
  node_set(1, k.cpus.cpu_online_mask);
  refresh_zone_stat_thresholds(k);
  const dma32 = k.node_data[0]!.node_zones[1]!;
  dma32.managed_pages = 2 ** 18;
  return { k, dma32 };
}

const thresholds = (k: Kernel, zone: Zone): number[] => [0, 1].map((cpu) => zone_stat_threshold(k, zone, cpu));

test('a daemon that goes to sleep sets thresholds by the size that zones have then', () => {
  const { k, dma32 } = grown();
  expect(thresholds(k, dma32)).toEqual([12, 12]);
  kswapd_init(k);
  expect(thresholds(k, dma32)).toEqual([20, 20]);
});

test('a zone without a mark below which diffs are added up keeps its thresholds', () => {
  const { k, dma32 } = grown();
  dma32.percpu_drift_mark = 0;
  kswapd_init(k);
  expect(thresholds(k, dma32)).toEqual([12, 12]);
});

test('a daemon whose node has no zone above its high watermark does not sleep', () => {
  const { k, dma32 } = grown();
  for (const zone of k.node_data[0]!.node_zones) zone.set_watermark(WMARK_HIGH, zone.vm_stat(NR_FREE_PAGES) + 1);
  kswapd_init(k);
  expect(thresholds(k, dma32)).toEqual([12, 12]);
});
