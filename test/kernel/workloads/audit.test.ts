// The audit finds what it is there to find: each row does one kind of damage to a machine that is well.

import { describe, expect, it } from 'vitest';
import { recorder } from '../../../kernel/config.ts';
import { GFP_HIGHUSER_MOVABLE, GFP_KERNEL } from '../../../kernel/include/gfp_types.ts';
import { MM_ANONPAGES, VM_READ, VM_WRITE } from '../../../kernel/include/mm.ts';
import { PG_MAPCOUNT, PG_REFCOUNT } from '../../../kernel/include/mm_types.ts';
import { NR_ANON_MAPPED } from '../../../kernel/include/mmzone.ts';
import { PAGE_SIZE } from '../../../kernel/include/types.ts';
import { Kernel } from '../../../kernel/kernel.ts';
import { kunit } from '../../../kernel/lib/kunit.ts';
import { lruvec_list_del } from '../../../kernel/mm/lruvec.ts';
import type { mm_struct } from '../../../kernel/mm/mm_struct.ts';
import { mm_alloc, vm_mmap } from '../../../kernel/mm/mmap.ts';
import { page_index, page_zone, section_map } from '../../../kernel/mm/page.ts';
import { __alloc_pages } from '../../../kernel/mm/page_alloc.ts';
import { drain_all_pages } from '../../../kernel/mm/pcp.ts';
import { lru_add_drain } from '../../../kernel/mm/swap.ts';
import { user_write } from '../../../kernel/mm/uaccess.ts';
import { pt_walk, pte_pfn } from '../../../kernel/mm/user_pgtable.ts';
import { __mod_node_page_state } from '../../../kernel/mm/vmstat.ts';
import type { TestMachine } from '../../../kernel/tests/env.ts';
import { in_task, machine_with_area } from '../../../kernel/tests/swap_area.ts';
import { Audit } from '../../../kernel/workloads/audit.ts';
import { diskHw } from '../../support/hw.ts';

const AT = 0x10000000;
const machine: TestMachine = {
  kernel: (ram, { config = recorder, boot_params, disks = [] } = {}) =>
    new Kernel(diskHw(ram, disks, boot_params), config),
};

interface Well {
  readonly k: Kernel;
  readonly mm: mm_struct;
  /** The first of its pages, on an LRU list. */
  readonly pfn: number;
}

function well(): Well & { look: () => string[] } {
  const k = machine_with_area(new kunit('audit', machine), 64);
  const audit = new Audit(k);
  const mm = in_task(k, function* () {
    const made = (yield* mm_alloc(k))!;
    yield* vm_mmap(k, made, AT, 8 * PAGE_SIZE, VM_READ | VM_WRITE);
    for (let n = 0; n < 8; n++) yield* user_write(k, made, AT + n * PAGE_SIZE, Uint8Array.of(n));
    return made;
  });
  lru_add_drain(k);
  const at = pt_walk(k, mm, AT);
  return { k, mm, pfn: pte_pfn(mm.walk_words[at]!, mm.walk_words[at + 1]!), look: () => audit.look([], true) };
}

function add(k: Kernel, pfn: number, field: number, delta: number): void {
  const m = section_map(k.mm, pfn);
  m[page_index(pfn) + field] = m[page_index(pfn) + field]! + delta;
}

const rows: readonly { name: string; damage: (one: Well) => void; found: RegExp }[] = [
  {
    name: 'a page that is never freed',
    damage: ({ k }) => __alloc_pages(k, GFP_KERNEL, 0, 0),
    found: /nobody has it, with 1/,
  },
  {
    name: 'a reference too many',
    damage: ({ k, pfn }) => add(k, pfn, PG_REFCOUNT, 1),
    found: /2 references, of which 1 are/,
  },
  {
    name: 'a mapping too many',
    damage: ({ k, pfn }) => add(k, pfn, PG_MAPCOUNT, 1),
    found: /1 page table entries map it, mapcount is 1/,
  },
  {
    name: 'a free page that somebody has mapped',
    damage: ({ k, mm }) => {
      const free = __alloc_pages(k, GFP_HIGHUSER_MOVABLE, 0, 0);
      const at = pt_walk(k, mm, AT);
      mm.walk_words[at] = (mm.walk_words[at]! & 0xfff) | (free << 12);
    },
    found: /page table entries map it/,
  },
  {
    name: 'a page off its LRU list',
    damage: ({ k, pfn }) => lruvec_list_del(k, k.lru.lruvecs[0]!, pfn),
    found: /LRU list 0 has 7 pages, and counts 8|LRU list 1 has 7 pages, and counts 8/,
  },
  {
    name: 'a counter of a node',
    damage: ({ k }) => __mod_node_page_state(k, k.node_data[0]!, NR_ANON_MAPPED, 1),
    found: /nr_anon_pages is 9, there are 8/,
  },
  {
    name: 'a counter of an address space',
    damage: ({ mm }) => void mm.rss_stat[MM_ANONPAGES]!--,
    found: /an address space maps 8 pages, and counts 7/,
  },
  {
    name: 'a page in swap that nobody names',
    damage: ({ k }) => k.swap.swap_info[0]!.swap_map.fill(1, 5, 6),
    found: /page 5 of swap area 0: 0 page table entries name it, 1 counted/,
  },
  {
    name: 'free pages that are counted wrong',
    damage: ({ k, pfn }) => page_zone(k, pfn).add_vm_stat(0, 3),
    found: /pages on free lists, \d+ counted/,
  },
];

describe('the audit', () => {
  it('finds nothing wrong with a machine that is well', () => {
    const { k, look } = well();
    expect(look()).toEqual([]);
    drain_all_pages(k, null);
    expect(look()).toEqual([]);
  });

  it.each(rows)('finds $name', ({ damage, found }) => {
    const one = well();
    damage(one);
    expect(one.look()).toContainEqual(expect.stringMatching(found));
  });
});
