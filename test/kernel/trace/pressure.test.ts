// What events say of a machine that has to swap, against what its counters say.

import { describe, expect, test } from 'vitest';
import { recorder } from '../../../kernel/config.ts';
import { lookup_disk } from '../../../kernel/drivers/block/disk.ts';
import { VM_READ, VM_WRITE } from '../../../kernel/include/mm.ts';
import { NR_VMSCAN_WRITE, pageblock_nr_pages } from '../../../kernel/include/mmzone.ts';
import { KEY_TRACE } from '../../../kernel/include/static_keys.ts';
import { PAGE_SIZE } from '../../../kernel/include/types.ts';
import {
  ALLOCSTALL,
  COMPACTMIGRATE_SCANNED,
  PAGEOUTRUN,
  PGDEACTIVATE,
  PGMIGRATE_SUCCESS,
  PGSCAN_DIRECT,
  PGSCAN_KSWAPD,
  PGSTEAL_DIRECT,
  PGSTEAL_KSWAPD,
} from '../../../kernel/include/vm_event_item.ts';
import { Kernel } from '../../../kernel/kernel.ts';
import { kunit } from '../../../kernel/lib/kunit.ts';
import { compact_nodes } from '../../../kernel/mm/compaction.ts';
import { file, inode } from '../../../kernel/mm/filemap.ts';
import { filemap_write_and_wait, generic_perform_write } from '../../../kernel/mm/filemap_io.ts';
import { kswapd_init } from '../../../kernel/mm/kswapd.ts';
import { mm_alloc, vm_mmap, vm_munmap } from '../../../kernel/mm/mmap.ts';
import { start_reclaim } from '../../../kernel/mm/reclaim.ts';
import { lru_add_drain_all } from '../../../kernel/mm/swap.ts';
import { user_write } from '../../../kernel/mm/uaccess.ts';
import { all_vm_events } from '../../../kernel/mm/vm_event.ts';
import { global_node_page_state } from '../../../kernel/mm/vmstat.ts';
import { vmstat_update } from '../../../kernel/mm/vmstat_update.ts';
import { cond_resched } from '../../../kernel/sched/core.ts';
import type { TestMachine } from '../../../kernel/tests/env.ts';
import { disks_of, in_task, machine_with_area, settle, swap_machine } from '../../../kernel/tests/swap_area.ts';
import { tracefs_read } from '../../../kernel/trace/trace.ts';
import { ftrace_set_clr_event, set_buf_size } from '../../../kernel/trace/trace_events.ts';
import { diskHw } from '../../support/hw.ts';

const machine: TestMachine = {
  kernel: (ram, { config = recorder, boot_params, disks = [] } = {}) =>
    new Kernel(diskHw(ram, disks, boot_params), config),
};

const AT = 0x10000000;
const PAGES = 17_000;

/** A task writes to more pages than there are. */
function swapping(): Kernel {
  const k = machine_with_area(new kunit('pressure', machine), 8192);
  set_buf_size(k, '64M');
  ftrace_set_clr_event(k, 'vmscan', true);
  ftrace_set_clr_event(k, 'oom', true);
  kswapd_init(k);
  start_reclaim(k);
  in_task(k, function* () {
    const mm = (yield* mm_alloc(k))!;
    yield* vm_mmap(k, mm, AT, PAGES * PAGE_SIZE, VM_READ | VM_WRITE);
    for (let n = 0; n < PAGES; n++) {
      yield* user_write(k, mm, AT + n * PAGE_SIZE, Uint8Array.of(n));
      yield* cond_resched(k);
    }
  });
  settle(k);
  vmstat_update(k);
  return k;
}

interface Line {
  readonly task: string;
  readonly time: number;
  readonly event: string;
  readonly text: string;
}

function line(text: string): Line {
  const [, task, time, event, rest] = /^ *(\S+)-\d+ +\[\d+\] \.{5} +([\d.]+): (\w+): (.*)$/.exec(text)!;
  return { task: task!, time: Number(time), event: event!, text: rest! };
}

describe('of a task that writes to more pages than there are', () => {
  const k = swapping();
  const trace = tracefs_read(k, '/sys/kernel/tracing/trace')!;
  const lines = trace
    .trimEnd()
    .split('\n')
    .filter((text) => !text.startsWith('#'))
    .map(line);
  const counted = all_vm_events(k);
  const of = (event: string, task = /./): Line[] => lines.filter((one) => one.event === event && task.test(one.task));
  const sum = (some: readonly Line[], field: string): number =>
    some.reduce((total, { text }) => total + Number(new RegExp(`\\b${field}=(\\d+)`).exec(text)![1]), 0);

  test('none is lost, and the page allocator goes its written-out ways', () => {
    expect(k.trace.buffer!.entries).toBe(k.trace.buffer!.written);
    expect(lines.length).toBe(k.trace.buffer!.written);
    expect(k.page_alloc.static_keys & KEY_TRACE).toBe(0);
  });

  test('time goes on', () => {
    const times = lines.map(({ time }) => time);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(times.at(-1)).toBeGreaterThan(times[0]!);
  });

  test.each([
    ['kswapd0', PGSCAN_KSWAPD, PGSTEAL_KSWAPD],
    ['task', PGSCAN_DIRECT, PGSTEAL_DIRECT],
  ] as const)('%s scans and frees as many pages as are counted', (task, scanned, stolen) => {
    const isolated = of('mm_vmscan_lru_isolate', new RegExp(task)).filter(({ text }) => text.includes('lru=inactive'));
    expect(sum(isolated, 'nr_scanned')).toBe(counted[scanned]);
    expect(counted[scanned]).toBeGreaterThan(0);
    expect(sum(of('mm_vmscan_lru_shrink_inactive', new RegExp(task)), 'nr_reclaimed')).toBe(counted[stolen]);
  });

  test('pages become inactive, and are written, as often as is counted', () => {
    expect(sum(of('mm_vmscan_lru_shrink_active'), 'nr_deactivated')).toBe(counted[PGDEACTIVATE]);
    expect(of('mm_vmscan_write_folio').length).toBe(global_node_page_state(k, NR_VMSCAN_WRITE));
    expect(of('mm_vmscan_write_folio').length).toBeGreaterThan(1000);
  });

  test('kswapd is woken, works as often as is counted, and sleeps again', () => {
    expect(of('mm_vmscan_kswapd_wake').length).toBe(counted[PAGEOUTRUN]);
    expect(of('mm_vmscan_wakeup_kswapd').every(({ task }) => task === 'task')).toBe(true);
    const sleeps = of('mm_vmscan_kswapd_sleep');
    expect(sleeps.length).toBeGreaterThan(0);
    expect([...of('mm_vmscan_kswapd_wake'), ...sleeps].every(({ task }) => task === 'kswapd0')).toBe(true);
  });

  test('direct reclaim begins and ends as often as requests stalled', () => {
    let stalls = 0;
    for (let zid = 0; zid < 5; zid++) stalls += counted[ALLOCSTALL + zid]!;
    const begun = of('mm_vmscan_direct_reclaim_begin');
    expect(begun.length).toBe(stalls);
    expect(begun.length).toBeGreaterThan(0);
    const ended = of('mm_vmscan_direct_reclaim_end');
    expect(ended.length).toBe(begun.length);
    expect(sum(ended, 'nr_reclaimed')).toBe(counted[PGSTEAL_DIRECT]);
  });

  test('the same once more is the same to the byte', () => {
    const again = tracefs_read(swapping(), '/sys/kernel/tracing/trace')!;
    expect(again === trace).toBe(true);
  });
});

test('pages of a file become dirty, are written from its beginning, and fsync() waits for them', () => {
  const k = swap_machine(new kunit('writeback', machine), disks_of(64));
  ftrace_set_clr_event(k, 'writeback', true);
  const ino = in_task(k, function* () {
    const one = new inode(k, lookup_disk(k, '/dev/vda')!, 0, 0);
    yield* generic_perform_write(k, new file(one), 0, new Uint8Array(3 * PAGE_SIZE));
    yield* filemap_write_and_wait(k, one.i_mapping);
    return one.i_ino;
  });
  const said = tracefs_read(k, '/sys/kernel/tracing/trace_pipe')!.trimEnd().split('\n').map(line);
  const page = (event: string, index: number): string => `${event}: bdi 254:0: ino=${ino} index=${index}`;
  const written = (towrt: bigint): string =>
    `wbc_writepage: bdi 254:0: towrt=${towrt} skip=0 mode=1 kupd=0 bgrd=0 reclm=0 cyclic=0 start=0x0 end=0x7fffffffffffffff cgroup_ino=1`;
  const all = 2n ** 63n - 1n;
  expect(said.map(({ event, text }) => `${event}: ${text}`)).toEqual([
    ...[0, 1, 2].map((index) => page('writeback_dirty_folio', index)),
    ...[all, all - 1n, all - 2n].map(written),
    page('folio_wait_writeback', 0),
    ...said.slice(7).map(({ event, text }) => `${event}: ${text}`),
  ]);
  expect(said.slice(7).every(({ event }) => event === 'folio_wait_writeback')).toBe(true);
});

test('compact_memory moves as many pages as is counted, each out of a page table and in again', () => {
  const k = swap_machine(new kunit('compaction', machine), []);
  const pages = 4000;
  in_task(k, function* () {
    const mm = (yield* mm_alloc(k))!;
    yield* vm_mmap(k, mm, AT, pages * PAGE_SIZE, VM_READ | VM_WRITE);
    for (let n = 0; n < pages; n++) yield* user_write(k, mm, AT + n * PAGE_SIZE, Uint8Array.of(1));
    for (let n = 0; n < pages; n += 2) yield* vm_munmap(k, mm, AT + n * PAGE_SIZE, PAGE_SIZE);
    lru_add_drain_all(k);
    ftrace_set_clr_event(k, 'compaction', true);
    ftrace_set_clr_event(k, 'migrate', true);
    yield* compact_nodes(k);
  });
  const said = tracefs_read(k, '/sys/kernel/tracing/trace_pipe')!.trimEnd().split('\n').map(line);
  const of = (event: string): Line[] => said.filter((one) => one.event === event);
  const sum = (event: string, field: string): number =>
    of(event).reduce((total, { text }) => total + Number(new RegExp(`\\b${field}=(\\d+)`).exec(text)![1]), 0);
  const counted = all_vm_events(k);
  const moved = counted[PGMIGRATE_SUCCESS]!;
  expect(moved).toBeGreaterThan(500);
  expect(sum('mm_compaction_migratepages', 'nr_migrated')).toBe(moved);
  expect(sum('mm_migrate_pages', 'nr_succeeded')).toBe(moved);
  expect(of('set_migration_pte').length).toBe(moved);
  // Back where it was: the address is the same, and the page another one.
  const addresses = (event: string): string[] =>
    of(event)
      .map(({ text }) => /^addr=[0-9a-f]+/.exec(text)![0])
      .sort();
  expect(addresses('remove_migration_pte')).toEqual(addresses('set_migration_pte'));
  expect(sum('mm_compaction_isolate_migratepages', 'nr_scanned')).toBe(counted[COMPACTMIGRATE_SCANNED]);
  // The last few find no free page any more.
  const left = sum('mm_compaction_migratepages', 'nr_failed');
  expect(sum('mm_compaction_isolate_migratepages', 'nr_taken')).toBe(moved + left);
  expect(left).toBeLessThan(pageblock_nr_pages);
  expect(of('mm_compaction_begin').length).toBe(of('mm_compaction_end').length);
  expect(of('mm_compaction_end').every(({ text }) => text.endsWith('mode=sync status=complete'))).toBe(true);
});
