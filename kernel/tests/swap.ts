// Self tests of swap areas: how they are switched on, who gets which page of them, what counts say, and what goes through
// the disk.

import { blk_queue_full, REQ_OP_READ, submit_bio } from '../drivers/block/blk.ts';
import { disk_inject } from '../drivers/block/disk.ts';
import { proc_read } from '../fs/proc/root.ts';
import { GFP_HIGHUSER_MOVABLE } from '../include/gfp_types.ts';
import { VM_READ, VM_WRITE } from '../include/mm.ts';
import { NR_FREE_PAGES, NR_SWAPCACHE, NR_WRITEBACK } from '../include/mmzone.ts';
import { PG_dirty, PG_error, PG_locked, PG_reclaim, PG_uptodate, PG_writeback } from '../include/page_flags.ts';
import { SWAP_FLAG_PREFER, SWAP_HAS_CACHE, swap_header } from '../include/swap.ts';
import { EBUSY, EINVAL, EIO, ENOENT, ENOMEM, PAGE_SIZE, type pfn_t } from '../include/types.ts';
import { PSWPIN, PSWPOUT } from '../include/vm_event_item.ts';
import type { Kernel } from '../kernel.ts';
import { KUNIT_ASSERT_TRUE, KUNIT_CASE, KUNIT_CASE_PARAM, KUNIT_EXPECT_EQ, KUNIT_EXPECT_TRUE } from '../lib/kunit.ts';
import { folio_set, folio_test } from '../mm/folio.ts';
import { folio_lock, folio_trylock, folio_unlock, folio_wait_locked, folio_wait_writeback } from '../mm/folio_lock.ts';
import { mkswap } from '../mm/mkswap.ts';
import type { vm_area_struct } from '../mm/mm_struct.ts';
import { mm_alloc, vm_mmap } from '../mm/mmap.ts';
import { page_count } from '../mm/page.ts';
import { swap_readpage, swap_write_congested, swap_write_wait, swap_writepage } from '../mm/page_io.ts';
import { drain_all_pages } from '../mm/pcp.ts';
import { folio_put } from '../mm/swap.ts';
import { swap_duplicate, swapcache_prepare, swp_swapcount } from '../mm/swap_count.ts';
import { swap_cache_get_folio, swapin_readahead } from '../mm/swap_readahead.ts';
import { swap_cache_lookup, swap_cache_shadow } from '../mm/swap_shadow.ts';
import { folio_alloc_swap } from '../mm/swap_slots.ts';
import {
  __delete_from_swap_cache,
  add_to_swap,
  add_to_swap_cache,
  delete_from_swap_cache,
  folio_swap_entry,
  folio_test_swapcache,
  free_page_and_swap_cache,
} from '../mm/swap_state.ts';
import { free_swap_and_cache, put_swap_folio, si_swapinfo, swap_free } from '../mm/swapfile.ts';
import { swapoff } from '../mm/swapoff.ts';
import { swapon } from '../mm/swapon.ts';
import {
  pte_to_swp_entry,
  swp_entry,
  type swp_entry_t,
  swp_offset,
  swp_pte_hi,
  swp_pte_lo,
  swp_type,
} from '../mm/swapops.ts';
import { user_write } from '../mm/uaccess.ts';
import { pt_walk } from '../mm/user_pgtable.ts';
import { all_vm_events } from '../mm/vm_event.ts';
import { global_node_page_state, global_zone_page_state } from '../mm/vmstat.ts';
import { vmstat_update } from '../mm/vmstat_update.ts';
import { switch_to_cpu } from '../mm/zone_cpu.ts';
import type { Suite, Test, TestMachine } from './env.ts';
import {
  add_area,
  anonymous_page,
  disks_of,
  in_task,
  machine_with_area,
  settle,
  swap_machine,
  write_header,
} from './swap_area.ts';

/** Those on CPUs' lists among them. */
function free_pages(k: Kernel): number {
  drain_all_pages(k, null);
  vmstat_update(k);
  return global_zone_page_state(k, NR_FREE_PAGES);
}

const last_line = (k: Kernel): string => k.log.records.at(-1)!.text;
const node_state = (k: Kernel, item: number): number => {
  vmstat_update(k);
  return global_node_page_state(k, item);
};

const BASE_ADDRESS = 0x7f0000000000;

/** Entries until there are none, or so many. */
function take(k: Kernel, limit = Number.POSITIVE_INFINITY): swp_entry_t[] {
  const entries: swp_entry_t[] = [];
  while (entries.length < limit) {
    const entry = folio_alloc_swap(k, -1);
    if (entry === 0) break;
    entries.push(entry);
  }
  return entries;
}

interface HeaderRow {
  readonly desc: string;
  readonly damage: (header: Uint8Array) => void;
  readonly wanted: string;
}

const u32 = (header: Uint8Array, at: number, value: number): void =>
  new DataView(header.buffer).setUint32(at, value, true);

const header_rows: readonly HeaderRow[] = [
  { desc: 'no signature', damage: (h) => h.fill(0), wanted: 'Unable to find swap-space signature' },
  {
    desc: 'version 2',
    damage: (h) => u32(h, swap_header.version, 2),
    wanted: 'Unable to handle swap header version 2',
  },
  { desc: 'no pages', damage: (h) => u32(h, swap_header.last_page, 0), wanted: 'Empty swap-file' },
  {
    desc: 'longer than the disk',
    damage: (h) => u32(h, swap_header.last_page, 1024),
    wanted: 'Swap area shorter than signature indicates',
  },
];

interface CountRow {
  readonly desc: string;
  readonly users: number;
  /** Pages of counts that do not fit into a byte. */
  readonly pages: number;
}

const count_rows: readonly CountRow[] = [
  { desc: 'one', users: 1, pages: 0 },
  { desc: 'as many as fit', users: 62, pages: 0 },
  { desc: 'one more', users: 63, pages: 1 },
  { desc: 'a full second digit', users: 62 + 63 * 127, pages: 1 },
  { desc: 'a third one', users: 62 + 63 * 127 + 1, pages: 2 },
  { desc: 'well into it', users: 20_000, pages: 2 },
];

interface AheadRow {
  readonly desc: string;
  readonly rotational: boolean;
  /** Pages of an address space whose pages are on an area in the same order. */
  readonly faults: readonly number[];
  /** How many pages each fault reads. */
  readonly wanted: readonly number[];
}

const ahead_rows: readonly AheadRow[] = [
  {
    desc: 'one after the other',
    rotational: false,
    faults: [0, 1, 2, 3, 4, 5, 6, 7, 8],
    wanted: [5, 0, 0, 0, 0, 8, 0, 0, 0],
  },
  { desc: 'here and there', rotational: false, faults: [20, 60, 30, 50], wanted: [8, 4, 2, 1] },
  { desc: 'the last page', rotational: false, faults: [63], wanted: [4] },
  { desc: 'one after the other on the disk', rotational: true, faults: [0, 1, 2, 3, 8], wanted: [7, 0, 0, 0, 8] },
];

/** An area of 64 pages whose contents are on the disk: page n holds the byte n. */
function swapped_out(test: Test, rotational: boolean): { k: Kernel; vma: vm_area_struct } {
  const k = machine_with_area(test, 4000, { rotational });
  const vma = in_task(k, function* () {
    const mm = (yield* mm_alloc(k))!;
    yield* vm_mmap(k, mm, BASE_ADDRESS, 64 * PAGE_SIZE, VM_READ | VM_WRITE);
    yield* user_write(k, mm, BASE_ADDRESS, new Uint8Array(1));
    const pages: pfn_t[] = [];
    for (let n = 0; n < 64; n++) {
      const pfn = anonymous_page(k, n % 251);
      add_to_swap(k, pfn);
      const entry = folio_swap_entry(k, pfn);
      swap_duplicate(k, entry);
      swap_writepage(k, pfn);
      const at = pt_walk(k, mm, BASE_ADDRESS + n * PAGE_SIZE);
      mm.walk_words[at] = swp_pte_lo(entry);
      mm.walk_words[at + 1] = swp_pte_hi(entry);
      pages.push(pfn);
    }
    for (const pfn of pages) {
      yield* folio_wait_writeback(k, pfn);
      folio_trylock(k, pfn);
      const entry = folio_swap_entry(k, pfn);
      __delete_from_swap_cache(k, pfn, entry, -1);
      put_swap_folio(k, entry);
      folio_unlock(k, pfn);
      folio_put(k, pfn);
      folio_put(k, pfn);
    }
    return mm.vmas[0]!;
  });
  return { k, vma };
}

export const swap_suite: Suite = {
  name: 'swap',
  test_cases: [
    KUNIT_CASE('swapon_says_what_it_adds', (test) => {
      const k = swap_machine(test, [...disks_of(1024), { sectors: 8192, rotational: true }]);
      KUNIT_EXPECT_EQ(test, 'result', add_area(k, '/dev/vda'), 0);
      const fresh = 'Adding 4092k swap on /dev/vda.  Priority:-2 extents:1 across:4092k SS';
      KUNIT_EXPECT_EQ(test, 'solid state', last_line(k), fresh);
      KUNIT_EXPECT_EQ(test, 'result', add_area(k, '/dev/vdb', SWAP_FLAG_PREFER | 7), 0);
      const rotating = 'Adding 4092k swap on /dev/vdb.  Priority:7 extents:1 across:4092k ';
      KUNIT_EXPECT_EQ(test, 'rotating', last_line(k), rotating);
      KUNIT_EXPECT_EQ(test, 'pages', si_swapinfo(k), { totalswap: 2046, freeswap: 2046 });
    }),
    KUNIT_CASE_PARAM<TestMachine, HeaderRow>('header', header_rows, (test, { damage, wanted }) => {
      const k = swap_machine(test, disks_of(1024));
      const header = mkswap(1024);
      damage(header);
      write_header(k, '/dev/vda', header);
      KUNIT_EXPECT_EQ(
        test,
        'result',
        in_task(k, () => swapon(k, '/dev/vda', 0)),
        -EINVAL,
      );
      KUNIT_EXPECT_EQ(test, 'log', last_line(k), wanted);
      KUNIT_EXPECT_EQ(test, 'the disk is free again', add_area(k, '/dev/vda'), 0);
    }),
    KUNIT_CASE('a_header_of_the_other_byte_order', (test) => {
      const k = swap_machine(test, disks_of(1024));
      const header = mkswap(1024, { badpages: [5] });
      for (const at of [swap_header.version, swap_header.last_page, swap_header.nr_badpages, swap_header.badpages]) {
        header.subarray(at, at + 4).reverse();
      }
      write_header(k, '/dev/vda', header);
      KUNIT_EXPECT_EQ(
        test,
        'result',
        in_task(k, () => swapon(k, '/dev/vda', 0)),
        0,
      );
      KUNIT_EXPECT_EQ(test, 'pages', k.swap.total_swap_pages, 1022);
    }),
    KUNIT_CASE('swapon_fails', (test) => {
      const k = swap_machine(test, disks_of(1024));
      const on = (path: string, flags = 0): number => in_task(k, () => swapon(k, path, flags));
      KUNIT_EXPECT_EQ(test, 'flags', on('/dev/vda', 0x80000), -EINVAL);
      KUNIT_EXPECT_EQ(test, 'no such disk', on('/dev/vdb'), -ENOENT);
      write_header(k, '/dev/vda', mkswap(1024, { badpages: [0] }));
      KUNIT_EXPECT_EQ(test, 'the header is bad', on('/dev/vda'), -EINVAL);
      disk_inject(k, k.block.disks[0]!, { read: 1e6 });
      KUNIT_EXPECT_EQ(test, 'the header cannot be read', on('/dev/vda'), -EIO);
      disk_inject(k, k.block.disks[0]!, { read: 0 });
      KUNIT_EXPECT_EQ(test, 'at last', add_area(k, '/dev/vda'), 0);
      KUNIT_EXPECT_EQ(test, 'twice', on('/dev/vda'), -EBUSY);
      KUNIT_EXPECT_EQ(test, 'pages', k.swap.total_swap_pages, 1023);
    }),
    KUNIT_CASE('areas_too_large_for_memory', (test) => {
      const k = swap_machine(test, disks_of(2 ** 30, 2 ** 25));
      const free = free_pages(k);
      const since = k.log.records.length;
      KUNIT_EXPECT_EQ(test, 'its map is larger than memory', add_area(k, '/dev/vda'), -ENOMEM);
      const { text } = k.log.records[since]!;
      const wanted = 'task: vmalloc error: size 1073741824, exceeds total pages, mode:0xdc0(GFP_KERNEL|__GFP_ZERO)';
      KUNIT_EXPECT_EQ(test, 'log', text.split(', nodemask')[0], wanted);
      KUNIT_EXPECT_EQ(test, 'no room for owners', add_area(k, '/dev/vdb'), -ENOMEM);
      KUNIT_EXPECT_EQ(
        test,
        'log',
        k.log.records.slice(-2).map((record) => record.text),
        ["couldn't allocate enough memory for swap_cgroup", 'swap_cgroup can be disabled by swapaccount=0 boot option'],
      );
      KUNIT_EXPECT_EQ(test, 'pages', free_pages(k), free);
    }),
    KUNIT_CASE('every_page_is_given_once', (test) => {
      for (const rotational of [false, true]) {
        const k = machine_with_area(test, 4000, { rotational });
        const offsets = take(k).map(swp_offset);
        KUNIT_EXPECT_EQ(test, 'entries', offsets.length, 3999);
        KUNIT_EXPECT_EQ(test, 'different ones', new Set(offsets).size, 3999);
        KUNIT_EXPECT_EQ(test, 'lowest and highest', [Math.min(...offsets), Math.max(...offsets)], [1, 3999]);
        KUNIT_EXPECT_EQ(test, 'free', k.swap.nr_swap_pages, 0);
        for (const offset of offsets) put_swap_folio(k, swp_entry(0, offset));
        KUNIT_EXPECT_EQ(test, 'and again', take(k).length, 3999);
      }
    }),
    KUNIT_CASE('bad_pages_are_never_given', (test) => {
      const k = swap_machine(test, disks_of(1000));
      const badpages = [1, 17, 999];
      add_area(k, '/dev/vda', 0, { badpages });
      const offsets = take(k).map(swp_offset);
      KUNIT_EXPECT_EQ(test, 'entries', offsets.length, 996);
      KUNIT_EXPECT_EQ(
        test,
        'bad ones',
        offsets.filter((offset) => badpages.includes(offset)),
        [],
      );
    }),
    KUNIT_CASE('a_rotating_disk_is_filled_from_its_start', (test) => {
      const k = machine_with_area(test, 4000, { rotational: true });
      KUNIT_EXPECT_EQ(test, 'offsets', take(k, 5).map(swp_offset), [1, 2, 3, 4, 5]);
    }),
    // 2 MiB each: what one CPU swaps out together lies together, whatever others do.
    KUNIT_CASE('each_cpu_fills_a_cluster_of_its_own', (test) => {
      const k = machine_with_area(test, 40_000, {}, { cpus: [0, 0] });
      const taken: number[][] = [[], []];
      for (let n = 0; n < 256; n++) {
        switch_to_cpu(k, n % 2);
        taken[n % 2]!.push(swp_offset(folio_alloc_swap(k, -1)));
      }
      switch_to_cpu(k, 0);
      for (const [cpu, offsets] of taken.entries()) {
        const first = offsets[0]!;
        KUNIT_EXPECT_EQ(
          test,
          `cpu ${cpu}`,
          offsets,
          offsets.map((_, n) => first + n),
        );
        KUNIT_EXPECT_EQ(test, `cluster of cpu ${cpu}`, (first - 1) % 512 <= 511, true);
      }
      KUNIT_EXPECT_TRUE(test, 'two clusters', taken[0]![0]! >>> 9 !== taken[1]![0]! >>> 9);
    }),
    // As Debian's 6.1 took them for 65 MiB of one task, by its pagemap: an area of 256 MiB, one CPU.
    KUNIT_CASE('the_order_of_clusters', (test) => {
      const k = machine_with_area(test, 65_536);
      const clusters = take(k, 16_000).map((entry) => swp_offset(entry) >>> 9);
      const order = clusters.filter((cluster, n) => cluster !== clusters[n - 1]);
      const wanted = [32, 64, 96, 1, 33, 65, 97, 2, 34, 66, 98, 3, 35, 67, 99];
      KUNIT_EXPECT_EQ(test, 'clusters', order.slice(0, wanted.length), wanted);
    }),
    KUNIT_CASE('priorities', (test) => {
      const k = swap_machine(test, disks_of(101, 101, 101, 101));
      for (const [n, flags] of [0, SWAP_FLAG_PREFER | 5, 0, SWAP_FLAG_PREFER | 5].entries()) {
        add_area(k, `/dev/vd${'abcd'[n]}`, flags);
      }
      KUNIT_EXPECT_EQ(
        test,
        'priorities',
        k.swap.swap_info.map(({ prio }) => prio),
        [-2, 5, -3, 5],
      );
      const types = take(k).map(swp_type);
      const upper = types.slice(0, 200);
      KUNIT_EXPECT_EQ(test, 'the ranked ones first', [...new Set(upper)].sort(), [1, 3]);
      KUNIT_EXPECT_EQ(test, 'turns', [...new Set(upper.slice(0, 128))].sort(), [1, 3]);
      KUNIT_EXPECT_EQ(test, 'then the older one', new Set(types.slice(200, 300)), new Set([0]));
      KUNIT_EXPECT_EQ(test, 'then the newer one', new Set(types.slice(300)), new Set([2]));
    }),
    KUNIT_CASE('entries_go_to_cpus_and_back_64_at_a_time', (test) => {
      const k = machine_with_area(test, 10_000);
      const all = k.swap.nr_swap_pages;
      const entries = take(k, 64);
      KUNIT_EXPECT_EQ(test, 'one batch is out', all - k.swap.nr_swap_pages, 64);
      for (const entry of entries) put_swap_folio(k, entry);
      KUNIT_EXPECT_EQ(test, 'a batch waits', all - k.swap.nr_swap_pages, 64);
      put_swap_folio(k, take(k, 1)[0]!);
      KUNIT_EXPECT_EQ(test, 'it is back, and the next one out', all - k.swap.nr_swap_pages, 64);
    }),
    KUNIT_CASE_PARAM<TestMachine, CountRow>('count', count_rows, (test, { users, pages }) => {
      const k = machine_with_area(test, 1000);
      const entry = folio_alloc_swap(k, -1);
      for (let n = 0; n < users; n++) KUNIT_ASSERT_TRUE(test, 'duplicate', swap_duplicate(k, entry) === 0);
      KUNIT_EXPECT_EQ(test, 'users', swp_swapcount(k, entry), users);
      KUNIT_EXPECT_EQ(test, 'pages of counts', k.swap.swap_info[0]!.continuations.get(0)?.length ?? 0, pages);
      put_swap_folio(k, entry);
      for (let left = users - 1; left > 0; left--) {
        swap_free(k, entry);
        if (left % 61 === 0) KUNIT_EXPECT_EQ(test, 'users left', swp_swapcount(k, entry), left);
      }
      KUNIT_EXPECT_EQ(test, 'the last user', swp_swapcount(k, entry), 1);
      swap_free(k, entry);
      KUNIT_EXPECT_EQ(test, 'it waits to be free', k.swap.swap_info[0]!.swap_map[swp_offset(entry)]!, SWAP_HAS_CACHE);
    }),
    KUNIT_CASE('entries_that_are_none', (test) => {
      const k = machine_with_area(test, 1000);
      swap_free(k, swp_entry(3, 1));
      KUNIT_EXPECT_EQ(test, 'area', last_line(k), '_swap_info_get: Bad swap file entry c00000000000001');
      swap_free(k, swp_entry(0, 1000));
      KUNIT_EXPECT_EQ(test, 'offset', last_line(k), '_swap_info_get: Bad swap offset entry 000003e8');
      swap_free(k, swp_entry(0, 7));
      KUNIT_EXPECT_EQ(test, 'unused', last_line(k), '_swap_info_get: Unused swap offset entry 00000007');
      KUNIT_EXPECT_EQ(test, 'prepare', swapcache_prepare(k, swp_entry(0, 7)), -ENOENT);
      KUNIT_EXPECT_EQ(test, 'nothing is freed', free_swap_and_cache(k, swp_entry(5, 7)), 0);
    }),
    KUNIT_CASE('swapoff', (test) => {
      const k = swap_machine(test, disks_of(101, 101, 101));
      for (const path of ['/dev/vda', '/dev/vdb', '/dev/vdc']) add_area(k, path);
      const off = (path: string): number => in_task(k, () => swapoff(k, path));
      const pages = Array.from({ length: 20 }, () => anonymous_page(k));
      for (const pfn of pages) {
        add_to_swap(k, pfn);
        const entry = folio_swap_entry(k, pfn);
        for (let n = 0; n < 100; n++) swap_duplicate(k, entry);
        swap_writepage(k, pfn);
        for (let n = 0; n < 100; n++) swap_free(k, entry);
      }
      KUNIT_EXPECT_EQ(test, 'no such disk', off('/dev/vdx'), -ENOENT);
      KUNIT_EXPECT_EQ(test, 'result', off('/dev/vda'), 0);
      KUNIT_EXPECT_EQ(test, 'twice', off('/dev/vda'), -EINVAL);
      KUNIT_EXPECT_EQ(
        test,
        'priorities of the others',
        k.swap.swap_active_head.map(({ prio }) => prio),
        [-2, -3],
      );
      KUNIT_EXPECT_EQ(
        test,
        'pages still in the cache',
        pages.filter((pfn) => folio_test_swapcache(k, pfn)),
        [],
      );
      KUNIT_EXPECT_EQ(test, 'free', si_swapinfo(k), { totalswap: 200, freeswap: 200 });
      KUNIT_EXPECT_EQ(test, 'on again', add_area(k, '/dev/vda'), 0);
      KUNIT_EXPECT_EQ(test, 'last', k.swap.swap_info[0]!.prio, -4);
    }),
    KUNIT_CASE('an_area_gives_its_memory_back', (test) => {
      const k = swap_machine(test, disks_of(10_000));
      write_header(k, '/dev/vda', mkswap(10_000));
      const before = free_pages(k);
      in_task(k, () => swapon(k, '/dev/vda', 0));
      // Three pages of map, five of who is charged.
      KUNIT_EXPECT_EQ(test, 'taken', before - free_pages(k), 8);
      in_task(k, () => swapoff(k, '/dev/vda'));
      KUNIT_EXPECT_EQ(test, 'free', free_pages(k), before);
    }),
    KUNIT_CASE('cache', (test) => {
      const k = machine_with_area(test, 1000);
      const si = k.swap.swap_info[0]!;
      const pfn = anonymous_page(k);
      KUNIT_EXPECT_TRUE(test, 'added', add_to_swap(k, pfn));
      const entry = folio_swap_entry(k, pfn);
      const offset = swp_offset(entry);
      KUNIT_EXPECT_EQ(test, 'in the cache', swap_cache_lookup(si, offset), pfn);
      KUNIT_EXPECT_EQ(test, 'references', page_count(k, pfn), 2);
      KUNIT_EXPECT_EQ(test, 'nr_swapcached', node_state(k, NR_SWAPCACHE), 1);
      KUNIT_EXPECT_TRUE(test, 'dirty', folio_test(k, pfn, PG_dirty));
      swap_duplicate(k, entry);
      __delete_from_swap_cache(k, pfn, entry, 12345);
      folio_put(k, pfn);
      put_swap_folio(k, entry);
      KUNIT_EXPECT_EQ(test, 'a shadow is left', swap_cache_shadow(si, offset), 12345);
      KUNIT_EXPECT_EQ(test, 'prepare', swapcache_prepare(k, entry), 0);
      KUNIT_EXPECT_EQ(test, 'and given back', add_to_swap_cache(k, pfn, entry), 12345);
      delete_from_swap_cache(k, pfn);
      KUNIT_EXPECT_TRUE(test, 'not in the cache', !folio_test_swapcache(k, pfn));
      KUNIT_EXPECT_EQ(test, 'references without it', page_count(k, pfn), 1);
      KUNIT_EXPECT_EQ(test, 'nr_swapcached without it', node_state(k, NR_SWAPCACHE), 0);
      add_to_swap(k, pfn);
      folio_unlock(k, pfn);
      free_page_and_swap_cache(k, pfn);
      KUNIT_EXPECT_EQ(test, 'nr_swapcached of a page that is gone', node_state(k, NR_SWAPCACHE), 0);
    }),
    KUNIT_CASE('full_areas_take_places_of_pages_in_memory', (test) => {
      const k = machine_with_area(test, 101);
      const pages = Array.from({ length: 60 }, () => anonymous_page(k));
      for (const pfn of pages) {
        add_to_swap(k, pfn);
        folio_unlock(k, pfn);
      }
      // Nobody names them: each has a place only because it is in the cache.
      const more = take(k).length - 40;
      const lost = pages.filter((pfn) => !folio_test_swapcache(k, pfn)).length;
      KUNIT_EXPECT_TRUE(test, 'more entries than were free', more > 0);
      KUNIT_EXPECT_EQ(test, 'pages that lost their place', lost, more);
    }),
    KUNIT_CASE('contents', (test) => {
      const k = machine_with_area(test, 1000);
      const pages = Array.from({ length: 300 }, (_, n) => anonymous_page(k, n % 251));
      const entries = in_task(k, function* () {
        const written: swp_entry_t[] = [];
        for (const pfn of pages) {
          add_to_swap(k, pfn);
          swap_duplicate(k, folio_swap_entry(k, pfn));
          written.push(folio_swap_entry(k, pfn));
          if (swap_write_congested(k, pfn)) yield* swap_write_wait(k, pfn);
          swap_writepage(k, pfn);
        }
        for (const pfn of pages) yield* folio_wait_writeback(k, pfn);
        return written;
      });
      KUNIT_EXPECT_EQ(test, 'pswpout', all_vm_events(k)[PSWPOUT]!, 300);
      KUNIT_EXPECT_EQ(test, 'nr_writeback', node_state(k, NR_WRITEBACK), 0);
      for (const [n, pfn] of pages.entries()) {
        folio_trylock(k, pfn);
        __delete_from_swap_cache(k, pfn, entries[n]!, -1);
        folio_put(k, pfn);
        put_swap_folio(k, entries[n]!);
        k.hw.ram.fill(pfn * PAGE_SIZE, PAGE_SIZE, 0xee);
      }
      const wrong = in_task(k, function* () {
        const found: pfn_t[] = [];
        for (const [n, entry] of entries.entries()) {
          const pfn = anonymous_page(k, 0xee);
          swapcache_prepare(k, entry);
          add_to_swap_cache(k, pfn, entry);
          swap_readpage(k, pfn);
          yield* folio_wait_locked(k, pfn);
          const bytes = k.hw.ram.read(pfn * PAGE_SIZE, PAGE_SIZE);
          if (bytes.some((byte) => byte !== n % 251)) found.push(n);
        }
        return found;
      });
      KUNIT_EXPECT_EQ(test, 'pages with other contents', wrong, []);
      KUNIT_EXPECT_EQ(test, 'pswpin', all_vm_events(k)[PSWPIN]!, 300);
    }),
    KUNIT_CASE('a_page_that_cannot_be_written_stays_dirty', (test) => {
      const k = machine_with_area(test, 1000, { rotational: true });
      disk_inject(k, k.block.disks[0]!, { write: 1e6 });
      const pfn = anonymous_page(k, 1);
      add_to_swap(k, pfn);
      swap_duplicate(k, folio_swap_entry(k, pfn));
      folio_set(k, pfn, PG_reclaim);
      swap_writepage(k, pfn);
      KUNIT_EXPECT_TRUE(test, 'under writeback', folio_test(k, pfn, PG_writeback));
      settle(k);
      const flags = [PG_dirty, PG_error, PG_writeback, PG_reclaim, PG_locked].map((flag) => folio_test(k, pfn, flag));
      KUNIT_EXPECT_EQ(test, 'dirty, error, writeback, reclaim, locked', flags, [true, true, false, false, false]);
      const texts = k.log.records.slice(-2).map(({ text }) => text);
      KUNIT_EXPECT_EQ(test, 'log', texts, [
        'I/O error, dev vda, sector 8 op 0x1:(WRITE) flags 0x2000000 phys_seg 1 prio class 2',
        'Write-error on swap-device (254:0:16)',
      ]);
    }),
    KUNIT_CASE('a_page_that_cannot_be_read_is_not_up_to_date', (test) => {
      const k = machine_with_area(test, 1000, { rotational: true });
      const entry = folio_alloc_swap(k, -1);
      const pfn = anonymous_page(k);
      add_to_swap_cache(k, pfn, entry);
      disk_inject(k, k.block.disks[0]!, { read: 1e6 });
      swap_readpage(k, pfn);
      settle(k);
      const flags = [PG_uptodate, PG_error, PG_locked].map((flag) => folio_test(k, pfn, flag));
      KUNIT_EXPECT_EQ(test, 'uptodate, error, locked', flags, [false, true, false]);
      KUNIT_EXPECT_EQ(test, 'log', last_line(k), 'Read-error on swap-device (254:0:16)');
    }),
    KUNIT_CASE_PARAM<TestMachine, AheadRow>('ahead', ahead_rows, (test, { rotational, faults, wanted }) => {
      const { k, vma } = swapped_out(test, rotational);
      const read = faults.map((page) => {
        const before = all_vm_events(k)[PSWPIN]!;
        in_task(k, function* () {
          const addr = vma.vm_start + page * PAGE_SIZE;
          const at = pt_walk(k, vma.vm_mm, addr);
          const entry = pte_to_swp_entry(vma.vm_mm.walk_words[at]!, vma.vm_mm.walk_words[at + 1]!);
          let pfn = swap_cache_get_folio(k, entry, vma, addr);
          if (pfn < 0) pfn = yield* swapin_readahead(k, entry, GFP_HIGHUSER_MOVABLE, vma, addr);
          yield* folio_wait_locked(k, pfn);
          KUNIT_EXPECT_EQ(test, `contents of page ${page}`, k.hw.ram.u8(pfn * PAGE_SIZE + 77), page % 251);
          folio_put(k, pfn);
        });
        return all_vm_events(k)[PSWPIN]! - before;
      });
      KUNIT_EXPECT_EQ(test, 'pages read at each fault', read, wanted);
    }),
    KUNIT_CASE('files_show_swap', (test) => {
      const k = swap_machine(test, disks_of(1024, 3_000_000));
      KUNIT_EXPECT_EQ(test, 'none', proc_read(k, '/proc/swaps'), 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n');
      add_area(k, '/dev/vda');
      add_area(k, '/dev/vdb', SWAP_FLAG_PREFER | 3);
      take(k, 10);
      KUNIT_EXPECT_EQ(test, 'rows', proc_read(k, '/proc/swaps')?.split('\n').slice(1), [
        '/dev/vda                                partition\t4092\t\t0\t\t-2',
        '/dev/vdb                                partition\t11999996\t256\t\t3',
        '',
      ]);
      const meminfo = proc_read(k, '/proc/meminfo') ?? '';
      KUNIT_EXPECT_EQ(test, 'SwapTotal', /^SwapTotal: +(\d+) kB$/m.exec(meminfo)?.[1], '12004088');
      KUNIT_EXPECT_EQ(test, 'SwapFree', /^SwapFree: +(\d+) kB$/m.exec(meminfo)?.[1], '12003832');
    }),
    // The disk takes 256 at a time; the others wait in order.
    KUNIT_CASE('more_requests_than_the_disk_takes', (test) => {
      const k = machine_with_area(test, 4000);
      const disk = k.block.disks[0]!;
      const pfn = anonymous_page(k);
      const done: number[] = [];
      for (let n = 0; n < 1000; n++) {
        submit_bio(k, disk, REQ_OP_READ, 8 * n, pfn, (_k, _disk, sector) => done.push(sector / 8));
      }
      KUNIT_EXPECT_TRUE(test, 'the queue is full', blk_queue_full(disk));
      settle(k);
      KUNIT_EXPECT_EQ(test, 'completions', new Set(done).size, 1000);
      KUNIT_EXPECT_TRUE(
        test,
        'in another order',
        done.some((n, at) => n !== at),
      );
      KUNIT_EXPECT_TRUE(test, 'the first ones first', Math.max(...done.slice(0, 100)) < 400);
      submit_bio(k, disk, REQ_OP_READ, disk.sectors - 7, pfn, (_k, _d, _s, _p, error) => done.push(error));
      KUNIT_EXPECT_EQ(test, 'beyond the end', done.at(-1), -EIO);
      KUNIT_EXPECT_EQ(test, 'log', last_line(k), 'vda: rw=0, sector=31993, nr_sectors = 8 limit=32000');
    }),
    KUNIT_CASE('who_waits_for_a_page', (test) => {
      const k = machine_with_area(test, 1000);
      const pfn = anonymous_page(k);
      const entry = folio_alloc_swap(k, -1);
      add_to_swap_cache(k, pfn, entry);
      swap_readpage(k, pfn);
      in_task(k, () => folio_lock(k, pfn));
      KUNIT_EXPECT_TRUE(test, 'locked again', folio_test(k, pfn, PG_locked));
      KUNIT_EXPECT_TRUE(test, 'once it was read', folio_test(k, pfn, PG_uptodate));
      KUNIT_EXPECT_EQ(test, 'queues left', k.folio_wait.queues.size, 0);
    }),
  ],
};
