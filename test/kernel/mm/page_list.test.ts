import { describe, expect, test } from 'vitest';
import { debian, type KernelConfig, recorder } from '../../../kernel/config.ts';
import { MIGRATE_MOVABLE } from '../../../kernel/include/mmzone.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { KernelBug } from '../../../kernel/lib/bug.ts';
import { __free_one_page, __rmqueue_smallest, FPI_NONE, FPI_TO_TAIL } from '../../../kernel/mm/buddy.ts';
import { del_page_from_free_list, for_each_free_page, nr_free } from '../../../kernel/mm/free_list.ts';
import { memblock_reserve } from '../../../kernel/mm/memblock.ts';
import { memblock_free_all } from '../../../kernel/mm/memblock_free.ts';
import type { Zone } from '../../../kernel/mm/mmzone.ts';
import { lru_pointer, lru_pointer_hi, page_index, page_zone, section_map } from '../../../kernel/mm/page.ts';
import { MiB } from '../../support/hw.ts';
import { drawnZones, printed } from '../../support/zoned.ts';

const BASE = 0x2000;
const NEXT = 2;
const PREV = 4;
const CUT = '------------[ cut here ]------------';
/** Debian's, which stops at damage; one that only warns; the recorder's, which does not look. */
const stops: KernelConfig = { ...debian, DEFERRED_STRUCT_PAGE_INIT: false };
const warns: KernelConfig = { ...stops, BUG_ON_DATA_CORRUPTION: false };

/** Nothing is free but three blocks of 16 pages whose buddies are in use: the list is 64 32 0, from head to tail. */
function threeBlocks(config: KernelConfig): { k: Kernel; zone: Zone } {
  const k = drawnZones({ memory: '0000', unit: 16 * MiB, config });
  memblock_reserve(k, 0, 64 * MiB);
  memblock_free_all(k);
  const zone = page_zone(k, BASE);
  for (const pfn of [0, 32, 64]) __free_one_page(k, BASE + pfn, zone, 4, MIGRATE_MOVABLE, FPI_NONE);
  return { k, zone };
}

const pointer = (pfn: number): bigint =>
  (BigInt(lru_pointer_hi(BASE + pfn) >>> 0) << 32n) | BigInt(lru_pointer(BASE + pfn) >>> 0);
const px = (value: bigint): string => value.toString(16).padStart(16, '0');

function link(k: Kernel, pfn: number, word: number): bigint {
  const m = section_map(k.mm, BASE + pfn);
  const i = page_index(BASE + pfn) + word;
  return (BigInt(m[i + 1]! >>> 0) << 32n) | BigInt(m[i]! >>> 0);
}
/** What a program on the machine would have written over a link. */
function damage(k: Kernel, pfn: number, word: number, value: bigint): void {
  const m = section_map(k.mm, BASE + pfn);
  const i = page_index(BASE + pfn) + word;
  m[i] = Number(BigInt.asIntN(32, value));
  m[i + 1] = Number(BigInt.asIntN(32, value >> 32n));
}
const since = (k: Kernel, lines: number): string[] => printed(k).slice(lines);
const list = (k: Kernel, zone: Zone): number[] =>
  [...for_each_free_page(k, zone, 4, MIGRATE_MOVABLE)].map((pfn) => pfn - BASE);

const take = (k: Kernel, zone: Zone): number => __rmqueue_smallest(k, zone, 4, MIGRATE_MOVABLE) - BASE;
/** Frees the buddy of block 32, which takes that out of the middle of its list. */
const mergeMiddle = (k: Kernel, zone: Zone): void => __free_one_page(k, BASE + 48, zone, 4, MIGRATE_MOVABLE, FPI_NONE);

const POISON1 = 0xdead000000000100n;
const POISON2 = 0xdead000000000122n;

describe('CONFIG_DEBUG_LIST', () => {
  const entry = pointer(32);
  const before = pointer(64);
  const after = pointer(0);
  test.each([
    ['next is null', 32, NEXT, 0n, 49, `list_del corruption, ${px(entry)}->next is NULL`],
    ['prev is null', 32, PREV, 0n, 51, `list_del corruption, ${px(entry)}->prev is NULL`],
    [
      'taken off twice',
      32,
      NEXT,
      POISON1,
      53,
      `list_del corruption, ${px(entry)}->next is LIST_POISON1 (${px(POISON1)})`,
    ],
    [
      'prev poisoned',
      32,
      PREV,
      POISON2,
      56,
      `list_del corruption, ${px(entry)}->prev is LIST_POISON2 (${px(POISON2)})`,
    ],
    [
      'the one before leads elsewhere',
      64,
      NEXT,
      after,
      59,
      `list_del corruption. prev->next should be ${px(entry)}, but was ${px(after)}. (prev=${px(before)})`,
    ],
    [
      'the one after leads elsewhere',
      0,
      PREV,
      before,
      62,
      `list_del corruption. next->prev should be ${px(entry)}, but was ${px(before)}. (next=${px(after)})`,
    ],
  ])('taking a block off its list: %s', (_what, pfn, word, value, line, text) => {
    const { k, zone } = threeBlocks(stops);
    damage(k, pfn, word, value);
    const lines = printed(k).length;
    expect(() => mergeMiddle(k, zone)).toThrow(`kernel BUG at lib/list_debug.c:${line}!`);
    expect(since(k, lines)).toEqual([
      text,
      CUT,
      `kernel BUG at lib/list_debug.c:${line}!`,
      'invalid opcode: 0000 [#1] PREEMPT SMP NOPTI',
      'CPU: 0 PID: 0 Comm: swapper/0 Not tainted 6.1.192 #1',
      'Modules linked in:',
      '---[ end trace 0000000000000000 ]---',
      'Kernel panic - not syncing: Attempted to kill the idle task!',
      '---[ end Kernel panic - not syncing: Attempted to kill the idle task! ]---',
    ]);
  });

  test('where it only warns, the list is left as it is and the run goes on', () => {
    const { k, zone } = threeBlocks(warns);
    damage(k, 64, NEXT, after);
    const lines = printed(k).length;
    mergeMiddle(k, zone);
    expect(since(k, lines)).toEqual([
      CUT,
      `list_del corruption. prev->next should be ${px(entry)}, but was ${px(after)}. (prev=${px(before)})`,
      'WARNING: CPU: 0 PID: 0 at lib/list_debug.c:59 __list_del_entry_valid',
      '---[ end trace 0000000000000000 ]---',
    ]);
    expect(list(k, zone)).toEqual([64, 0]);
    expect(link(k, 0, PREV)).toBe(entry);
    // Merged all the same: the count knows of it, and no page is on two lists.
    expect([nr_free(zone, 4), nr_free(zone, 5)]).toEqual([2, 1]);
  });

  test('putting a block on a list whose last does not lead back', () => {
    const { k, zone } = threeBlocks(stops);
    damage(k, 0, NEXT, before);
    const lines = printed(k).length;
    const add = (): void => __free_one_page(k, BASE + 96, zone, 4, MIGRATE_MOVABLE, FPI_TO_TAIL);
    expect(add).toThrow('kernel BUG at lib/list_debug.c:30!');
    const head = since(k, lines)[0]!.match(
      /^list_add corruption\. prev->next should be next \((ffff8880[0-9a-f]{8})\)/,
    );
    expect(since(k, lines)[0]).toBe(
      `list_add corruption. prev->next should be next (${head?.[1]}), but was ${px(before)}. (prev=${px(after)}).`,
    );
  });
});

describe('without it a pointer is followed wherever it leads', () => {
  test.each([
    ['null', 0n, 'BUG: kernel NULL pointer dereference, address: 0000000000000008', '0002'],
    ['user space', 0x7f0000001000n, 'BUG: unable to handle page fault for address: 00007f0000001008', '0002'],
    [
      'a memory map that is not there',
      0xffffea7f00000008n,
      'BUG: unable to handle page fault for address: ffffea7f00000010',
      '0002',
    ],
  ])('to %s: a page fault', (_what, value, bug, code) => {
    const { k, zone } = threeBlocks(recorder);
    damage(k, 32, NEXT, value);
    const lines = printed(k).length;
    expect(() => mergeMiddle(k, zone)).toThrow(bug);
    const address = bug.slice(-16);
    expect(since(k, lines)).toEqual([
      bug,
      '#PF: supervisor write access in kernel mode',
      `#PF: error_code(0x${code}) - not-present page`,
      `Oops: ${code} [#1] SMP`,
      'CPU: 0 PID: 0 Comm: swapper/0 Not tainted 6.1.192 #1',
      `CR2: ${address}`,
      '---[ end trace 0000000000000000 ]---',
      'Kernel panic - not syncing: Attempted to kill the idle task!',
      '---[ end Kernel panic - not syncing: Attempted to kill the idle task! ]---',
    ]);
  });

  test('to an address that no pointer can have: a general protection fault', () => {
    const { k, zone } = threeBlocks(recorder);
    damage(k, 32, NEXT, POISON1);
    const lines = printed(k).length;
    const what = 'general protection fault, probably for non-canonical address 0xdead000000000108';
    expect(() => mergeMiddle(k, zone)).toThrow(what);
    expect(since(k, lines)[0]).toBe(`${what}: 0000 [#1] SMP`);
  });

  test('no bit of a link may be wrong unseen', () => {
    const { k, zone } = threeBlocks({ ...recorder, DEBUG_LIST: true, BUG_ON_DATA_CORRUPTION: true });
    for (const word of [NEXT, PREV]) {
      const was = link(k, 32, word);
      for (let bit = 0n; bit < 64n; bit++) {
        damage(k, 32, word, was ^ (1n << bit));
        expect(() => del_page_from_free_list(k, BASE + 32, zone, 4), `bit ${bit} of word ${word}`).toThrow(KernelBug);
      }
      damage(k, 32, word, was);
    }
    del_page_from_free_list(k, BASE + 32, zone, 4);
    expect(list(k, zone)).toEqual([64, 0]);
  });

  test('to another page: its link is overwritten, as Linux would', () => {
    const { k, zone } = threeBlocks(recorder);
    damage(k, 32, NEXT, pointer(500));
    mergeMiddle(k, zone);
    expect(link(k, 500, PREV)).toBe(pointer(64));
    expect(link(k, 64, NEXT)).toBe(pointer(500));
    expect(printed(k).filter((line) => line.startsWith('BUG'))).toEqual([]);
  });
});

test('a free list that leads to no struct page ends the run, and no page is made up', () => {
  for (const [value, message] of [
    [0n, 'BUG: kernel NULL pointer dereference, address: 0000000000000000'],
    [0xffff888000000000n, 'BUG: unable to handle page fault for address: ffff888000000000'],
    [pointer(64) + 8n, `kernel BUG: a list of free pages leads to ${px(pointer(64) + 8n)}, which is no struct page`],
  ] as const) {
    const { k, zone } = threeBlocks(recorder);
    const head = zone.view.findIndex((_, i) => i % 2 === 0 && zone.view[i] === lru_pointer(BASE + 64));
    zone.view[head] = Number(BigInt.asIntN(32, value));
    zone.view[head + 1] = Number(BigInt.asIntN(32, value >> 32n));
    expect(() => take(k, zone)).toThrow(message);
  }
});
