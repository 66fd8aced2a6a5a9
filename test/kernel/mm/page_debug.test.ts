import { describe, expect, test } from 'vitest';
import { __kernel_map_pages } from '../../../kernel/arch/x86/pageattr.ts';
import { debian, type KernelConfig, recorder } from '../../../kernel/config.ts';
import { debugfs_read } from '../../../kernel/fs/debugfs.ts';
import { proc_read } from '../../../kernel/fs/proc/root.ts';
import {
  __GFP_NOWARN,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL,
  GFP_KERNEL_ACCOUNT,
} from '../../../kernel/include/gfp_types.ts';
import { PG_FLAGS_HI } from '../../../kernel/include/mm_types.ts';
import { MAX_NR_ZONES, MIGRATE_CMA, MIGRATE_RECLAIMABLE, NR_FREE_PAGES } from '../../../kernel/include/mmzone.ts';
import { ZONES_PGSHIFT_HI } from '../../../kernel/include/page_flags.ts';
import { PF_KTHREAD } from '../../../kernel/include/sched.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { node_set } from '../../../kernel/lib/nodemask.ts';
import { __alloc_pages_bulk } from '../../../kernel/mm/bulk.ts';
import { alloc_pages_exact } from '../../../kernel/mm/gfp_pages.ts';
import { mem_cgroup_attach, mem_cgroup_create } from '../../../kernel/mm/memcontrol.ts';
import { page_index, page_zone, page_zone_id, page_zonenum, section_map } from '../../../kernel/mm/page.ts';
import { __alloc_pages, __free_pages, split_page } from '../../../kernel/mm/page_alloc.ts';
import { __pageblock_pfn_to_page } from '../../../kernel/mm/page_alloc_late.ts';
import {
  debug_guardpage_minorder_setup,
  early_debug_pagealloc,
  early_page_poison_param,
  init_mem_debugging_and_hardening,
} from '../../../kernel/mm/page_debug.ts';
import { page_ext_init } from '../../../kernel/mm/page_ext.ts';
import { early_page_owner_param } from '../../../kernel/mm/page_owner.ts';
import { set_pageblock_migratetype } from '../../../kernel/mm/pageblock.ts';
import { pcp_count } from '../../../kernel/mm/pageset.ts';
import { drain_all_pages } from '../../../kernel/mm/pcp.ts';
import { zone_page_state_snapshot } from '../../../kernel/mm/vmstat.ts';
import { not_sleeping } from '../../../kernel/sched/sleeping.ts';
import { drawnAllocator, pagesOnLists } from '../../support/allocator.ts';
import { MiB } from '../../support/hw.ts';
import { printed } from '../../support/zoned.ts';

const GFP = GFP_KERNEL | __GFP_NOWARN;
const all: KernelConfig = { ...recorder, PAGE_POISONING: true, DEBUG_PAGEALLOC: true, PAGE_OWNER: true };
const machine = (setup: (k: Kernel) => void, config = all): Kernel =>
  drawnAllocator({
    memory: '0',
    unit: 128 * MiB,
    config,
    setup: (k) => {
      setup(k);
      init_mem_debugging_and_hardening(k);
    },
  });
const zone = (k: Kernel) => k.node_data[0]!.node_zones[1]!;
const words = (k: Kernel, pfn: number): Int32Array =>
  section_map(k.mm, pfn).subarray(page_index(pfn), page_index(pfn) + 16);

describe('page_poison=', () => {
  const poisoning = (): Kernel => machine((k) => early_page_poison_param(k, 'on'));

  test('pages that come back hold the pattern, and have none when they are handed out untouched', () => {
    const k = poisoning();
    for (const order of [0, 4]) {
      const pfn = __alloc_pages(k, GFP, order, 0);
      k.hw.ram.fill(pfn * 4096, 4096 << order, 0x11);
      __free_pages(k, pfn, order);
      const bytes = k.hw.ram.read(pfn * 4096, 4096 << order);
      expect(bytes.every((byte) => byte === 0xaa)).toBe(true);
      expect(__alloc_pages(k, GFP, order, 0)).toBe(pfn);
    }
    expect(printed(k).filter((line) => line.startsWith('pagealloc'))).toEqual([]);
  });

  test('what was written to a free page is shown when it is handed out', () => {
    const k = poisoning();
    const pfn = __alloc_pages(k, GFP, 0, 0);
    __free_pages(k, pfn, 0);
    k.hw.ram.write(pfn * 4096 + 0x10, new TextEncoder().encode('written by somebody'));
    const lines = printed(k).length;
    expect(__alloc_pages(k, GFP, 0, 0)).toBe(pfn);
    const at = (0xffff888000000000n + BigInt(pfn) * 4096n + 0x10n).toString(16);
    const next = (0xffff888000000000n + BigInt(pfn) * 4096n + 0x20n).toString(16);
    expect(printed(k).slice(lines, lines + 4)).toEqual([
      'pagealloc: memory corruption',
      `${at}: 77 72 69 74 74 65 6e 20 62 79 20 73 6f 6d 65 62  written by someb`,
      `${next}: 6f 64 79                                         ody`,
      'CPU: 0 PID: 0 Comm: swapper/0 Not tainted 6.1.192 #1',
    ]);
    expect(printed(k).at(-1)).toBe('page dumped because: pagealloc: corrupted page details');
  });

  test('one bit is told from more', () => {
    const k = poisoning();
    const pfn = __alloc_pages(k, GFP, 0, 0);
    __free_pages(k, pfn, 0);
    k.hw.ram.set_u8(pfn * 4096 + 7, 0xae);
    const lines = printed(k).length;
    __alloc_pages(k, GFP, 0, 0);
    expect(printed(k)[lines]).toBe('pagealloc: single bit error');
    expect(printed(k)[lines + 1]).toMatch(/: ae {47}\.$/);
  });

  test('ten reports in five seconds', () => {
    const k = poisoning();
    for (let i = 0; i < 30; i++) {
      const pfn = __alloc_pages(k, GFP, 0, 0);
      __free_pages(k, pfn, 0);
      k.hw.ram.set_u8(pfn * 4096, i);
    }
    expect(printed(k).filter((line) => line.startsWith('pagealloc:'))).toHaveLength(10);
  });

  test('it takes precedence over clearing', () => {
    const k = machine((k) => early_page_poison_param(k, '1'), { ...all, INIT_ON_ALLOC_DEFAULT_ON: true });
    expect(printed(k)).toContain(
      'mem auto-init: CONFIG_PAGE_POISONING is on, will take precedence over init_on_alloc and init_on_free',
    );
    expect(k.init_on).toMatchObject({ init_on_alloc: false, init_on_free: false });
    expect(early_page_poison_param(k, 'maybe')).toBe(-22);
  });
});

describe('debug_guardpage_minorder=', () => {
  const guarded = (): Kernel =>
    machine((k) => {
      early_debug_pagealloc(k, 'on');
      debug_guardpage_minorder_setup(k, '2');
    });
  const PG_guard = 0x400;
  const isGuard = (k: Kernel, pfn: number): boolean =>
    (words(k, pfn)[12]! & PG_guard) === 0 && words(k, pfn)[12]! >>> 28 === 0xf;

  // A block of 16 pages is split for one: what is left are blocks of 8 and 4 pages, which are free, and of 2 and 1.
  //     |X|1|2--|4------|8--------------|
  test('the smallest leftovers of a split stay out of use, and come back with the page', () => {
    const k = guarded();
    const before = pagesOnLists(k, zone(k)) + pcp_count(k, zone(k), 0);
    const pfn = __alloc_pages(k, GFP, 0, 0);
    const free = pagesOnLists(k, zone(k)) + pcp_count(k, zone(k), 0);
    const guards = before - free - 1;
    expect(guards).toBeGreaterThan(0);
    expect(zone_page_state_snapshot(k, zone(k), NR_FREE_PAGES)).toBe(pagesOnLists(k, zone(k)));
    expect(isGuard(k, pfn ^ 1)).toBe(true);
    expect(isGuard(k, (pfn & ~3) ^ 2)).toBe(true);
    __free_pages(k, pfn, 0);
    drain_all_pages(k, null);
    expect(pagesOnLists(k, zone(k))).toBe(before);
    expect(zone_page_state_snapshot(k, zone(k), NR_FREE_PAGES)).toBe(before);
    expect(isGuard(k, pfn ^ 1)).toBe(false);
  });

  test('no request gets a guard page', () => {
    const k = guarded();
    const owners = new Set<number>();
    for (let i = 0; i < 2000; i++) {
      const pfn = __alloc_pages(k, GFP, i % 3, 0);
      for (let p = pfn; p < pfn + (1 << (i % 3)); p++) {
        expect(isGuard(k, p)).toBe(false);
        expect(owners.has(p)).toBe(false);
        owners.add(p);
      }
    }
  });

  test('an order that is too large is refused', () => {
    const k = guarded();
    debug_guardpage_minorder_setup(k, '6');
    expect(printed(k)).toContain('Setting debug_guardpage_minorder to 2');
    expect(printed(k).at(-1)).toBe('Bad debug_guardpage_minorder value');
    expect(k.page_debug.guardpage_minorder).toBe(2);
  });
});

test('debug_pagealloc=on looks at pages as they come back to the per-cpu lists', () => {
  const k = machine((k) => early_debug_pagealloc(k, '1'));
  const pfn = __alloc_pages(k, GFP, 0, 0);
  words(k, pfn)[12] = 0;
  const lines = printed(k).length;
  __free_pages(k, pfn, 0);
  expect(printed(k)[lines]).toMatch(/^BUG: Bad page state in process swapper\/0/);
});

describe('page_owner=on', () => {
  function owned(): Kernel {
    const k = machine((k) => early_page_owner_param(k, 'on'));
    page_ext_init(k);
    return k;
  }
  const record = (k: Kernel, pfn: number): string | undefined =>
    debugfs_read(k, '/sys/kernel/debug/page_owner')!
      .split('\n\n')
      .find((text) => text.includes(`PFN ${pfn} type`));

  test('every section has its table, and what boot took an owner', () => {
    const k = owned();
    expect(printed(k)).toContain('allocated 2097152 bytes of page_ext');
    expect(printed(k).at(-1)).toMatch(/^Node 0, zone {4}DMA32: page owner found early allocated \d+ pages$/);
  });

  test('a page of no memory, in the span of a zone, whose flags name a zone that its node has not', () => {
    const k = machine((k) => early_page_owner_param(k, 'on'));
    // As a range that is reserved and not memory is left: node 0, and MAX_NR_ZONES for a zone.
    const pfn = 0x80;
    const zone = page_zone(k, pfn);
    const m = section_map(k.mm, pfn);
    expect([zone.idx, page_zone_id(k, pfn)]).toEqual([0, zone.id]);
    m[page_index(pfn) + PG_FLAGS_HI]! |= MAX_NR_ZONES << ZONES_PGSHIFT_HI;
    expect(page_zonenum(k, pfn)).toBe(MAX_NR_ZONES);
    page_ext_init(k);
    expect(printed(k).at(-1)).toMatch(/^Node 0, zone {4}DMA32: page owner found early allocated \d+ pages$/);
    expect(record(k, pfn)).toBeUndefined();
    expect(__pageblock_pfn_to_page(k, pfn, 0x200, zone)).toBe(-1);
    expect(__pageblock_pfn_to_page(k, pfn + 1, 0x200, zone)).toBe(pfn + 1);
  });

  test('who has a block: order, flags, task; free blocks have nobody', () => {
    const k = owned();
    k.current.comm = 'reader';
    k.current.pid = 77;
    k.log.now = () => 5_000_000_123;
    const pfn = __alloc_pages(k, GFP_KERNEL, 3, 0);
    expect(record(k, pfn)).toBe(
      `Page allocated via order 3, mask 0xcc0(GFP_KERNEL), pid 77, tgid 77 (reader), ts 5000000123 ns, free_ts 0 ns\n` +
        `PFN ${pfn} type Unmovable Block ${pfn >>> 9} type Unmovable Flags 0xfffffc0000000(node=0|zone=1|lastcpupid=0x1fffff)`,
    );
    expect(record(k, pfn + 1)).toBeUndefined();
    split_page(k, pfn, 3);
    expect(record(k, pfn + 1)).toContain('order 0, mask 0xcc0(GFP_KERNEL), pid 77');
    for (let p = 0; p < 8; p++) __free_pages(k, pfn + p, 0);
    expect(record(k, pfn)).toBeUndefined();
  });

  test('pages of an exact size have an owner each; many at once come one by one', () => {
    const k = owned();
    const first = alloc_pages_exact(k, 3 * 4096, GFP_KERNEL) / 4096;
    expect([0, 1, 2].map((p) => record(k, first + p)?.includes('order 0'))).toEqual([true, true, true]);
    expect(record(k, first + 3)).toBeUndefined();
    const pages: number[] = [];
    expect(__alloc_pages_bulk(k, GFP_KERNEL, 0, null, 20, pages)).toBe(1);
    expect(record(k, pages[0]!)).toContain('order 0');
  });

  test('/proc/pagetypeinfo counts the pageblocks with pages of another migratetype than theirs', () => {
    const k = owned();
    node_set(0, k.node_states.N_MEMORY);
    const mixed = (): string[] | undefined =>
      /Number of mixed blocks +([^\n]*)\n.*^Node 0, zone {4}DMA32 ([^\n]*)\n/ms
        .exec(proc_read(k, '/proc/pagetypeinfo')!)
        ?.slice(1)
        .map((row) => row.trim().replace(/ +/g, ' '));
    const types = 'Unmovable Movable Reclaimable HighAtomic CMA Isolate';
    const pfn = __alloc_pages(k, GFP_KERNEL, 1, 0);
    const movable = __alloc_pages(k, GFP_HIGHUSER_MOVABLE, 0, 0);
    expect(movable >>> 9).not.toBe(pfn >>> 9);
    expect(mixed()).toEqual([types, '0 0 0 0 0 0']);
    expect(pcp_count(k, zone(k), 0)).toBe(0);
    set_pageblock_migratetype(k, pfn, MIGRATE_CMA);
    set_pageblock_migratetype(k, movable, MIGRATE_RECLAIMABLE);
    expect(mixed()).toEqual([types, '0 1 1 0 0 0']);
    __free_pages(k, movable, 0);
    expect(mixed()).toEqual([types, '0 1 0 0 0 0']);
  });

  test('a page that is charged to a memory cgroup says so', () => {
    const k = owned();
    const memcg = not_sleeping(mem_cgroup_create(k, k.memcg.root_mem_cgroup, 'jobs'), 'mkdir');
    if (typeof memcg === 'number') throw new Error(`mem_cgroup_create: ${memcg}`);
    k.current.flags &= ~PF_KTHREAD;
    mem_cgroup_attach(k, memcg, k.current);
    const pfn = __alloc_pages(k, GFP_KERNEL_ACCOUNT, 2, 0);
    expect(record(k, pfn)).toMatch(/Flags \S+\nCharged \(via objcg\) to memcg jobs$/);
    expect(record(k, __alloc_pages(k, GFP_KERNEL, 0, 0))).not.toContain('memcg');
  });

  test('a report of a bad page names who had it', () => {
    const k = owned();
    const pfn = __alloc_pages(k, GFP_KERNEL, 4, 0);
    words(k, pfn)[12] = 3;
    const lines = printed(k).length;
    k.log.now = () => 9_000_000_000;
    __free_pages(k, pfn, 4);
    expect(
      printed(k)
        .slice(lines)
        .filter((line) => line.startsWith('page_owner') || line.startsWith('page last')),
    ).toEqual([
      'page_owner tracks the page as allocated',
      'page last allocated via order 4, migratetype Unmovable, gfp_mask 0xcc0(GFP_KERNEL), pid 0, tgid 0 (swapper/0), ts 0, free_ts 0',
      'page_owner free stack trace missing',
    ]);
  });
});

test('without the options there is no such file', () => {
  const k = drawnAllocator({ memory: '0', unit: 128 * MiB, config: { ...debian, DEFERRED_STRUCT_PAGE_INIT: false } });
  expect(debugfs_read(k, '/sys/kernel/debug/page_owner')).toBeNull();
  expect(() => __kernel_map_pages(k, 0x4000, 4, false)).not.toThrow();
});
