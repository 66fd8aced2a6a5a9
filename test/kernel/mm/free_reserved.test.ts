import { expect, test } from 'vitest';
import { debian } from '../../../kernel/config.ts';
import { NR_FREE_PAGES } from '../../../kernel/include/mmzone.ts';
import { free_reserved_area, POISON_FREE_INITMEM } from '../../../kernel/mm/free_reserved.ts';
import { memblock_reserve } from '../../../kernel/mm/memblock.ts';
import { memblock_free_all } from '../../../kernel/mm/memblock_free.ts';
import { PageBuddy, PageReserved, page_count } from '../../../kernel/mm/page.ts';
import { get_num_physpages, mem_init_print_info } from '../../../kernel/mm/show_mem.ts';
import { MiB } from '../../support/hw.ts';
import { drawnZones, printed } from '../../support/zoned.ts';

//     0        64 MiB; reserved: [32 MiB, 32 MiB + 40 KiB), of which [32 MiB + 100, 32 MiB + 36 KiB + 100) is given back
const START = 32 * MiB;
function booted() {
  const k = drawnZones({ memory: '0', unit: 64 * MiB, config: { ...debian, DEFERRED_STRUCT_PAGE_INIT: false } });
  memblock_reserve(k, START, 40 * 1024);
  memblock_free_all(k);
  return k;
}

test('whole pages are freed, counted, filled and reported', () => {
  const k = booted();
  const before = { total: k.mm.totalram_pages, free: k.mm.vm_zone_stat[NR_FREE_PAGES]! };
  const zone = k.node_data[0]!.node_zones[1]!;
  const managed = zone.managed_pages;
  const pages = free_reserved_area(k, START + 100, START + 36 * 1024 + 100, POISON_FREE_INITMEM, 'unused kernel image');
  expect(pages).toBe(8);
  expect(printed(k).at(-1)).toBe('Freeing unused kernel image memory: 32K');
  expect(k.mm.totalram_pages - before.total).toBe(8);
  expect(k.mm.vm_zone_stat[NR_FREE_PAGES]! - before.free).toBe(8);
  expect(zone.managed_pages - managed).toBe(8);
  const pfn = START / 4096;
  expect([pfn, pfn + 1, pfn + 8, pfn + 9].map((p) => PageReserved(k, p))).toEqual([true, false, false, true]);
  expect([k.hw.ram.u8(START + 4095), k.hw.ram.u8(START + 4096), k.hw.ram.u8(START + 9 * 4096)]).toEqual([0, 0xcc, 0]);
  expect([PageBuddy(k, pfn + 8), page_count(k, pfn + 8)]).toEqual([true, 0]);
});

test('nothing is said of nothing, and contents stay where no filling is asked for', () => {
  const k = booted();
  k.hw.ram.set_u32(START + 4096, 0x12345678);
  const lines = printed(k).length;
  expect(free_reserved_area(k, START + 1, START + 4096, 0xcc, 'nothing')).toBe(0);
  expect(free_reserved_area(k, START + 4096, START + 8192, -1, null)).toBe(1);
  expect(k.hw.ram.u32(START + 4096)).toBe(0x12345678);
  expect(printed(k)).toHaveLength(lines);
});

test('the Memory: line adds up', () => {
  const k = booted();
  mem_init_print_info(k);
  const free = k.mm.vm_zone_stat[NR_FREE_PAGES]! * 4;
  const all = get_num_physpages(k) * 4;
  expect(all).toBe(64 * 1024 - 4);
  const reserved = all - free;
  const image = '14343K kernel code, 2338K rwdata, 9132K rodata, 2824K init, 17344K bss';
  expect(printed(k).at(-1)).toBe(
    `Memory: ${free}K/${all}K available (${image}, ${reserved}K reserved, 0K cma-reserved)`,
  );
});
