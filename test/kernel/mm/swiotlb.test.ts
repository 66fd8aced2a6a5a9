import { expect, test } from 'vitest';
import { recorder } from '../../../kernel/config.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { node_set } from '../../../kernel/lib/nodemask.ts';
import { pci_iommu_alloc, pci_iommu_init, setup_io_tlb_npages } from '../../../kernel/mm/swiotlb.ts';
import { GiB } from '../../support/hw.ts';
import { drawnMemory, printed } from '../../support/zoned.ts';

/**
 * Runs both stages with `cpus` possible CPUs.
 *
 *   0     3 GiB  4 GiB  5 GiB
 *   | 0 0 0 |  .   |  0   |
 */
function boot(options: string, cpus = 2, memory = '000.0', unit = GiB): Kernel {
  const k = drawnMemory({ memory, unit, config: recorder });
  for (let cpu = 0; cpu < cpus; cpu++) node_set(cpu, k.cpus.cpu_possible_mask);
  k.boot.max_possible_pfn = (memory.length * unit) / 4096;
  if (options !== '') setup_io_tlb_npages(k, options);
  pci_iommu_alloc(k);
  pci_iommu_init(k);
  return k;
}

/** NODE_DATA's line apart. */
const said = (k: Kernel): string[] => printed(k).slice(1);
const size = (k: Kernel): number => (k.swiotlb.end - k.swiotlb.start) / 2 ** 20;

test('memory above 4 GiB: 64 MiB below it, with the log of Linux', () => {
  const k = boot('');
  const { start, end } = k.swiotlb;
  expect([size(k), end <= 3 * GiB]).toEqual([64, true]);
  const hex = (value: number): string => `0x${value.toString(16).padStart(16, '0')}`;
  expect(said(k)).toEqual([
    'software IO TLB: area num 2.',
    'PCI-DMA: Using software bounce buffering for IO (SWIOTLB)',
    `software IO TLB: mapped [mem ${hex(start)}-${hex(end)}] (64MB)`,
  ]);
});

test('no memory above 4 GiB: none, and nothing is said', () => {
  const k = boot('', 2, '000');
  expect([size(k), said(k)]).toEqual([0, []]);
});

test.each([
  { options: '1024', mib: 2 },
  { options: '1000', mib: 2 },
  { options: '65536', mib: 128 },
  { options: 'noforce', mib: 0 },
  { options: '4096,3', mib: 8, says: 'software IO TLB: area num 4.' },
  { options: '128,4', mib: 1, says: 'software IO TLB: SWIOTLB bounce buffer size roundup to 1MB' },
])('swiotlb=$options: $mib MiB', ({ options, mib, says }) => {
  const k = boot(options);
  expect(size(k)).toBe(mib);
  if (says !== undefined) expect(printed(k)).toContain(says);
});

test('force makes one on a small machine too; half as much each time there is no room', () => {
  const k = boot('force', 1, '0000', 4 * 2 ** 20);
  expect(size(k)).toBe(8);
  expect(said(k)).toEqual([
    'software IO TLB: area num 1.',
    'software IO TLB: swiotlb_memblock_alloc: Failed to allocate 67108864 bytes tlb structure',
    'software IO TLB: swiotlb_memblock_alloc: Failed to allocate 33554432 bytes tlb structure',
    'software IO TLB: swiotlb_memblock_alloc: Failed to allocate 16777216 bytes tlb structure',
    'software IO TLB: SWIOTLB bounce buffer size adjusted 32768 -> 4096 slabs',
  ]);
});
