import { expect, test } from 'vitest';
import { __GFP_COMP, __GFP_NOWARN, GFP_KERNEL } from '../../../kernel/include/gfp_types.ts';
import { NR_MLOCK } from '../../../kernel/include/mmzone.ts';
import { PG_mlocked } from '../../../kernel/include/page_flags.ts';
import { UNEVICTABLE_PGCLEARED } from '../../../kernel/include/vm_event_item.ts';
import { page_index, page_zone, section_map } from '../../../kernel/mm/page.ts';
import { __alloc_pages, __free_pages } from '../../../kernel/mm/page_alloc.ts';
import { all_vm_events } from '../../../kernel/mm/vm_event.ts';
import { zone_page_state_snapshot } from '../../../kernel/mm/vmstat.ts';
import { drawnAllocator } from '../../support/allocator.ts';
import { MiB } from '../../support/hw.ts';

const GFP = GFP_KERNEL | __GFP_NOWARN;

test.each([
  { name: 'a page', order: 0, gfp: GFP, pages: 1 },
  { name: 'a compound page', order: 2, gfp: GFP | __GFP_COMP, pages: 4 },
  { name: 'a block that is no compound page: only its first page speaks', order: 2, gfp: GFP, pages: 1 },
  { name: 'a large compound page', order: 5, gfp: GFP | __GFP_COMP, pages: 32 },
])('what comes back locked into memory is counted: $name', ({ order, gfp, pages }) => {
  const k = drawnAllocator({ memory: '0', unit: 64 * MiB });
  const pfn = __alloc_pages(k, gfp, order, 0);
  const zone = page_zone(k, pfn);
  zone.add_vm_stat(NR_MLOCK, 100);
  const flags = page_index(pfn);
  section_map(k.mm, pfn)[flags]! |= 1 << PG_mlocked;
  __free_pages(k, pfn, order);
  expect(zone_page_state_snapshot(k, zone, NR_MLOCK)).toBe(100 - pages);
  expect(all_vm_events(k)[UNEVICTABLE_PGCLEARED]).toBe(pages);
  expect(section_map(k.mm, pfn)[flags]! & (1 << PG_mlocked)).toBe(0);
});
