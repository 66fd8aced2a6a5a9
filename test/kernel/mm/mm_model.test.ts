// Address spaces against a plain model of their bytes: areas come and go, tasks fork and end, pages are shared, written,
// put into swap and brought back, in any order. Nothing is lost, and at the end nothing is left.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { debian } from '../../../kernel/config.ts';
import { MM_ANONPAGES, MM_SWAPENTS, VM_READ, VM_WRITE } from '../../../kernel/include/mm.ts';
import { PG_MAPCOUNT } from '../../../kernel/include/mm_types.ts';
import { NR_ANON_MAPPED, NR_FREE_PAGES, NR_PAGETABLE, NR_SWAPCACHE } from '../../../kernel/include/mmzone.ts';
import { EFAULT, PAGE_SIZE } from '../../../kernel/include/types.ts';
import { Kernel } from '../../../kernel/kernel.ts';
import { kunit } from '../../../kernel/lib/kunit.ts';
import { dup_mm } from '../../../kernel/mm/fork_mm.ts';
import type { mm_struct } from '../../../kernel/mm/mm_struct.ts';
import { mm_alloc, mmput, vm_mmap, vm_munmap } from '../../../kernel/mm/mmap.ts';
import { page_index, section_map } from '../../../kernel/mm/page.ts';
import { drain_all_pages } from '../../../kernel/mm/pcp.ts';
import { folio_put, lru_add_drain_all } from '../../../kernel/mm/swap.ts';
import { si_swapinfo } from '../../../kernel/mm/swapfile.ts';
import { swapoff } from '../../../kernel/mm/swapoff.ts';
import { user_access, user_read, user_translate, user_write } from '../../../kernel/mm/uaccess.ts';
import { pt_walk, pte_pfn, pte_present } from '../../../kernel/mm/user_pgtable.ts';
import { global_node_page_state } from '../../../kernel/mm/vmstat.ts';
import { vmstat_update } from '../../../kernel/mm/vmstat_update.ts';
import type { Sleeping } from '../../../kernel/sched/sleeping.ts';
import type { TestMachine } from '../../../kernel/tests/env.ts';
import { page_out, write_out } from '../../../kernel/tests/page_out.ts';
import { in_task, machine_with_area } from '../../../kernel/tests/swap_area.ts';
import { diskHw, testHw } from '../../support/hw.ts';

const machine: TestMachine = {
  kernel: (ram, { config = debian, boot_params, disks = [] } = {}) =>
    new Kernel(disks.length === 0 ? testHw(ram, boot_params) : diskHw(ram, disks, boot_params), config),
};

const BASE = 0x40000000 - 8 * PAGE_SIZE;
/** Pages that areas may lie in: across the end of a table. */
const SPAN = 24;

/** Most steps are about few pages, so that they meet. */
const page = fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 7, max: 9 }) }, fc.nat(SPAN - 1));
const who = fc.nat(3);
const step = fc.oneof(
  fc.record({ op: fc.constant('map' as const), who, page, count: fc.integer({ min: 1, max: 12 }) }),
  fc.record({ op: fc.constant('unmap' as const), who, page, count: fc.integer({ min: 1, max: 8 }) }),
  { weight: 6, arbitrary: fc.record({ op: fc.constant('write' as const), who, page, count: fc.nat(255) }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('read' as const), who, page, count: fc.constant(0) }) },
  fc.record({ op: fc.constant('fork' as const), who, page, count: fc.constant(0) }),
  fc.record({ op: fc.constant('exit' as const), who, page, count: fc.constant(0) }),
  { weight: 3, arbitrary: fc.record({ op: fc.constant('out' as const), who, page, count: fc.constant(0) }) },
  fc.record({ op: fc.constant('cache' as const), who, page, count: fc.constant(0) }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

interface Space {
  readonly mm: mm_struct;
  /** What each page holds at its first and last byte; undefined: nothing is mapped there. */
  readonly bytes: (number | undefined)[];
}

const va = (n: number): number => BASE + n * PAGE_SIZE;

function* apply(k: Kernel, spaces: Space[], { op, who: which, page: n, count }: Step): Sleeping<void> {
  const index = which % spaces.length;
  const { mm, bytes } = spaces[index]!;
  if (op === 'map') {
    yield* vm_mmap(k, mm, va(n), count * PAGE_SIZE, VM_READ | VM_WRITE);
    bytes.fill(0, n, Math.min(SPAN, n + count));
    if (n + count > SPAN) yield* vm_munmap(k, mm, va(SPAN), (n + count - SPAN) * PAGE_SIZE);
  } else if (op === 'unmap') {
    yield* vm_munmap(k, mm, va(n), count * PAGE_SIZE);
    bytes.fill(undefined, n, n + count);
    bytes.length = SPAN;
  } else if (op === 'write') {
    for (const at of [va(n), va(n) + PAGE_SIZE - 1]) {
      expect(yield* user_write(k, mm, at, Uint8Array.of(count))).toBe(bytes[n] === undefined ? -EFAULT : 0);
    }
    if (bytes[n] !== undefined) bytes[n] = count;
  } else if (op === 'read') yield* check(k, spaces[index]!, n);
  else if (op === 'fork' && spaces.length < 5) {
    spaces.push({ mm: (yield* dup_mm(k, mm))!, bytes: [...bytes] });
  } else if (op === 'exit' && spaces.length > 1) {
    spaces.splice(index, 1);
    yield* mmput(k, mm);
  } else if (op === 'out' || op === 'cache') {
    const pa = user_translate(k, mm, va(n), false);
    const pfn = Math.floor(pa / PAGE_SIZE);
    if (pa < 0 || pfn === k.user.zero_pfn) return;
    if (op === 'out') yield* page_out(k, pfn);
    else if (yield* write_out(k, pfn)) folio_put(k, pfn);
  }
}

function* check(k: Kernel, { mm, bytes }: Space, n: number): Sleeping<void> {
  const into = new Uint8Array(1);
  for (const at of [va(n), va(n) + PAGE_SIZE - 1]) {
    const error = yield* user_read(k, mm, at, into);
    expect(error < 0 ? error : into[0]).toBe(bytes[n] ?? -EFAULT);
  }
}

/** What page tables hold is what is counted. */
function checkCounters(k: Kernel, spaces: readonly Space[]): void {
  const mapped = new Map<number, number>();
  for (const { mm } of spaces) {
    let [anon, swapped] = [0, 0];
    for (let n = 0; n < SPAN; n++) {
      const at = pt_walk(k, mm, va(n));
      const lo = at < 0 ? 0 : mm.walk_words[at]!;
      const hi = at < 0 ? 0 : mm.walk_words[at + 1]!;
      const pfn = pte_pfn(lo, hi);
      if ((lo | hi) === 0 || (pte_present(lo) && pfn === k.user.zero_pfn)) continue;
      if (!pte_present(lo)) swapped++;
      else {
        anon++;
        mapped.set(pfn, (mapped.get(pfn) ?? 0) + 1);
      }
    }
    expect([mm.rss_stat[MM_ANONPAGES], mm.rss_stat[MM_SWAPENTS]]).toEqual([anon, swapped]);
  }
  for (const [pfn, count] of mapped) {
    expect(section_map(k.mm, pfn)[page_index(pfn) + PG_MAPCOUNT]).toBe(count - 1);
  }
  vmstat_update(k);
  expect(global_node_page_state(k, NR_ANON_MAPPED)).toBe(mapped.size);
}

function freePages(k: Kernel): number {
  lru_add_drain_all(k);
  drain_all_pages(k, null);
  vmstat_update(k);
  return k.mm.vm_zone_stat[NR_FREE_PAGES]!;
}

describe('address spaces', () => {
  // One kernel for all runs: what one leaves behind, the next one finds.
  const k = machine_with_area(new kunit('model', machine), 512);

  it('hold what was written to them, through fork, exit and swap', () => {
    // The first time makes what stays: caches of swap slots, tables.
    let before = -1;
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 120 }), (steps) => {
        in_task(k, function* () {
          const first = (yield* mm_alloc(k))!;
          const spaces: Space[] = [{ mm: first, bytes: new Array<number | undefined>(SPAN).fill(undefined) }];
          yield* vm_mmap(k, first, va(0), 16 * PAGE_SIZE, VM_READ | VM_WRITE);
          spaces[0]!.bytes.fill(0, 0, 16);
          for (const one of steps) yield* apply(k, spaces, one);
          checkCounters(k, spaces);
          for (const space of spaces) for (let n = 0; n < SPAN; n++) yield* check(k, space, n);
          checkCounters(k, spaces);
          for (const { mm } of spaces) yield* mmput(k, mm);
        });
        // A page that was being read when its last user went stays in the swap cache, for reclaim to find.
        const free = freePages(k) + global_node_page_state(k, NR_SWAPCACHE);
        if (before >= 0) expect(free).toBe(before);
        before = free;
        for (const item of [NR_ANON_MAPPED, NR_PAGETABLE]) expect(global_node_page_state(k, item)).toBe(0);
        expect(k.user.mms.size).toBe(0);
        expect(k.user.anon_vmas.filter((av) => av !== null)).toEqual([]);
      }),
      { numRuns: 60 },
    );
    expect(in_task(k, () => swapoff(k, '/dev/vda'))).toBe(0);
    const { totalswap, freeswap } = si_swapinfo(k);
    expect([totalswap, freeswap]).toEqual([0, 0]);
  });

  it('user_access() tells where a byte is', () => {
    in_task(k, function* () {
      const mm = (yield* mm_alloc(k))!;
      yield* vm_mmap(k, mm, va(0), PAGE_SIZE, VM_READ | VM_WRITE);
      const pa = yield* user_access(k, mm, va(0) + 5, true);
      k.hw.ram.set_u8(pa, 77);
      const into = new Uint8Array(1);
      yield* user_read(k, mm, va(0) + 5, into);
      expect(into[0]).toBe(77);
      yield* mmput(k, mm);
    });
  });
});
