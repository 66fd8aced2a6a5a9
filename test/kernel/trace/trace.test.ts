// Tracepoints of the page allocator as tracefs shows them. What events a run of requests makes, and in which order, is
// compared with Linux in test/golden/alloc/trace-*.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { debian, type KernelConfig, recorder } from '../../../kernel/config.ts';
import { GFP_ATOMIC, GFP_KERNEL } from '../../../kernel/include/gfp_types.ts';
import { WMARK_HIGH } from '../../../kernel/include/mmzone.ts';
import { KEY_TRACE } from '../../../kernel/include/static_keys.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { node_set } from '../../../kernel/lib/nodemask.ts';
import { free_unref_page_list } from '../../../kernel/mm/free_unref_list.ts';
import { kswapd_init, wakeup_kswapd } from '../../../kernel/mm/kswapd.ts';
import { VMSCAN_THROTTLE_WRITEBACK } from '../../../kernel/mm/kswapd_state.ts';
import { page_index, section_map } from '../../../kernel/mm/page.ts';
import { __alloc_pages, __free_pages } from '../../../kernel/mm/page_alloc.ts';
import { reclaim_throttle } from '../../../kernel/mm/throttle.ts';
import { user_mode_thread } from '../../../kernel/sched/fork.ts';
import { run } from '../../../kernel/sched/run.ts';
import { print_event, tracefs_read } from '../../../kernel/trace/trace.ts';
import {
  ftrace_set_clr_event,
  set_buf_size,
  setup_trace_event,
  trace_events,
  trace_init,
} from '../../../kernel/trace/trace_events.ts';
import { drawnAllocator } from '../../support/allocator.ts';
import { MiB } from '../../support/hw.ts';
import { printed } from '../../support/zoned.ts';

const golden = (name: string): string => readFileSync(new URL(`../../golden/trace/${name}`, import.meta.url), 'utf8');
const machine = (config: KernelConfig = recorder): Kernel =>
  drawnAllocator({ memory: '0', unit: 64 * MiB, config: { ...config, DEFERRED_STRUCT_PAGE_INIT: false } });
const traced = (k: Kernel): string[] => [...(k.trace.buffer?.records() ?? [])].map((record) => print_event(k, record));
const trace = (k: Kernel): string => tracefs_read(k, '/sys/kernel/tracing/trace')!;
const on = (k: Kernel): string => tracefs_read(k, '/sys/kernel/tracing/set_event')!;

describe('format files', () => {
  const format = (k: Kernel, name: string, system: string): string =>
    tracefs_read(k, `/sys/kernel/tracing/events/${system}/${name}/format`) ?? '';

  test.each(['oom', 'vmscan', 'kmem', 'compaction', 'migrate', 'writeback'])(
    "of %s are those of Debian's kernel",
    (system) => {
      const k = machine(debian);
      const events = trace_events.filter((event) => event.system === system);
      const names = events.map(({ name }) => name).sort();
      expect(names.map((name) => format(k, name, system)).join('\n')).toBe(golden(`formats-${system}.txt`));
    },
  );

  test("events are listed in the order in which Debian's kernel lists its own", () => {
    const listed = tracefs_read(machine(debian), '/sys/kernel/tracing/available_events')!;
    const here = new Set(listed.split('\n'));
    const there = golden('available_events.txt').split('\n');
    expect(there.filter((line) => here.has(line)).join('\n')).toBe(listed);
  });

  test.each([
    ['oom/compact_retry', 506, 186],
    ['vmscan/mm_vmscan_kswapd_sleep', 537, 213],
    ['kmem/mm_page_free', 549, 225],
    ['compaction/mm_compaction_isolate_migratepages', 567, 243],
    ['migrate/mm_migrate_pages', 608, 254],
    ['writeback/wbc_writepage', 844, 282],
    ['writeback/writeback_dirty_folio', 863, 297],
  ])('the ID of %s is that of the kernel that runs', (path, in_debian, in_recorder) => {
    const id = (k: Kernel): string | null => tracefs_read(k, `/sys/kernel/tracing/events/${path}/id`);
    expect(id(machine(debian))).toBe(`${in_debian}\n`);
    expect(id(machine(recorder))).toBe(`${in_recorder}\n`);
  });

  test('enable tells of one event, of a subsystem, of all: on, off, or some of them', () => {
    const k = machine();
    const enable = (path: string): string | null => tracefs_read(k, `/sys/kernel/tracing/events/${path}`);
    expect(enable('enable')).toBe('0\n');
    ftrace_set_clr_event(k, 'oom:mark_victim', true);
    expect(['enable', 'oom/enable', 'oom/mark_victim/enable', 'oom/wake_reaper/enable'].map(enable)).toEqual([
      'X\n',
      'X\n',
      '1\n',
      '0\n',
    ]);
    ftrace_set_clr_event(k, 'oom', true);
    expect(['enable', 'oom/enable', 'vmscan/enable'].map(enable)).toEqual(['X\n', '1\n', '0\n']);
    ftrace_set_clr_event(k, ':', true);
    expect(['enable', 'vmscan/enable'].map(enable)).toEqual(['1\n', '1\n']);
    expect(['vmscan/format', 'oom/nothing/enable', 'nothing/enable', 'format'].map(enable)).toEqual([
      null,
      null,
      null,
      null,
    ]);
  });

  test('of events that are not here there are none', () => {
    const k = machine();
    expect(tracefs_read(k, '/sys/kernel/tracing/events/kmem/kmalloc/format')).toBeNull();
    expect(tracefs_read(k, '/sys/kernel/tracing/events/kmem/mm_page_free/filter')).toBeNull();
    expect(tracefs_read(k, '/proc/buddyinfo')).toBeNull();
  });
});

describe('trace_event=', () => {
  const of = (system: string): string =>
    trace_events
      .filter((event) => event.system === system)
      .map(({ name }) => `${system}:${name}\n`)
      .join('');
  const ALL = of('kmem');
  const rows: readonly (readonly [value: string, on: string])[] = [
    ['kmem', ALL],
    ['kmem:*', ALL],
    ['kmem:', ALL],
    ['*:mm_page_free', 'kmem:mm_page_free\n'],
    [':mm_page_free', 'kmem:mm_page_free\n'],
    ['kmem:mm_page_alloc', 'kmem:mm_page_alloc\n'],
    ['mm_page_free,kmem:mm_page_alloc', 'kmem:mm_page_alloc\nkmem:mm_page_free\n'],
    ['mm_page_free,migrate:,oom:wake_reaper', `oom:wake_reaper\nkmem:mm_page_free\n${of('migrate')}`],
    ['vmscan:*', of('vmscan')],
    ['*:*', trace_events.map(({ system, name }) => `${system}:${name}\n`).join('')],
    ['', ''],
  ];
  test.each(rows)('%s', (value, wanted) => {
    const k = machine();
    setup_trace_event(k, value);
    trace_init(k);
    expect(on(k)).toBe(wanted);
    expect((k.page_alloc.static_keys & KEY_TRACE) !== 0).toBe(wanted.includes('kmem:'));
    expect(k.trace.on).toBe(/^(?!kmem:)./m.test(wanted));
    expect(printed(k).filter((line) => line.startsWith('Failed'))).toEqual([]);
  });

  test('what no event is called is named in the log, and the others are switched on', () => {
    const k = machine();
    setup_trace_event(k, 'sched:*,mm_page_free,kmem:kmalloc');
    trace_init(k);
    expect(on(k)).toBe('kmem:mm_page_free\n');
    expect(printed(k).slice(-2)).toEqual([
      'Failed to enable trace event: sched:*',
      'Failed to enable trace event: kmem:kmalloc',
    ]);
  });
});

test('a request and a free as Linux would print them', () => {
  const k = machine();
  k.current.pid = 142;
  k.current.comm = 'kworker/u4:2';
  k.log.now = () => 12_345_678_901;
  ftrace_set_clr_event(k, 'mm_page_alloc', true);
  ftrace_set_clr_event(k, 'mm_page_free', true);
  const pfn = __alloc_pages(k, GFP_ATOMIC, 1, 0);
  __free_pages(k, pfn, 1);
  const page = `page=ffffea${(pfn * 64).toString(16).padStart(10, '0')} pfn=0x${pfn.toString(16)} order=1`;
  expect(trace(k)).toBe(
    `${golden('header.txt').replace('2648/2648', '2/2').replace('P:2', 'P:1')}` +
      `    kworker/u4:2-142     [000] .....    12.345679: mm_page_alloc: ${page} migratetype=0 gfp_flags=GFP_ATOMIC\n` +
      `    kworker/u4:2-142     [000] .....    12.345679: mm_page_free: ${page}\n`,
  );
});

test('kswapd and those who wait for writeback, in Linux words; the page allocator does not go the slow way for them', () => {
  const k = machine();
  ftrace_set_clr_event(k, 'vmscan', true);
  expect(on(k)).toContain('vmscan:mm_vmscan_throttled\n');
  expect(k.page_alloc.static_keys & KEY_TRACE).toBe(0);
  const pgdat = k.node_data[0]!;
  const zone = pgdat.node_zones[1]!;
  node_set(0, k.node_states.N_MEMORY);
  kswapd_init(k);
  run(k, {});
  for (const one of pgdat.node_zones) one.set_watermark(WMARK_HIGH, 2 ** 30);
  wakeup_kswapd(k, zone, GFP_KERNEL, 2, 1);
  user_mode_thread(k, 'writer', () => reclaim_throttle(k, pgdat, VMSCAN_THROTTLE_WRITEBACK));
  run(k, {});
  const counts = new Map<string, number>();
  for (const text of traced(k)) counts.set(text, (counts.get(text) ?? 0) + 1);
  expect([...counts].map(([text, count]) => `${count}: ${text}`)).toEqual([
    '2: mm_vmscan_kswapd_sleep: nid=0',
    '1: mm_vmscan_wakeup_kswapd: nid=0 order=2 gfp_flags=GFP_KERNEL',
    '1: mm_vmscan_kswapd_wake: nid=0 order=2',
    '15: mm_vmscan_kswapd_wake: nid=0 order=0',
    '1: mm_vmscan_throttled: nid=0 usec_timeout=100000 usect_delayed=100000 reason=VMSCAN_THROTTLE_WRITEBACK',
  ]);
});

test('a request that fails is an event without a page', () => {
  const k = machine();
  ftrace_set_clr_event(k, 'mm_page_alloc', true);
  let left = 0;
  while (__alloc_pages(k, 0, 10, 0) >= 0) left++;
  expect(left).toBeGreaterThan(5);
  expect(traced(k).at(-1)).toBe('mm_page_alloc: page=0000000000000000 pfn=0x0 order=10 migratetype=0 gfp_flags=none');
});

test('pages freed by the list are an event each when they go to a per-cpu list', () => {
  const k = machine();
  const pages = [0, 1, 2].map(() => __alloc_pages(k, GFP_KERNEL, 0, 0));
  for (const pfn of pages) section_map(k.mm, pfn)[page_index(pfn) + 13] = 0;
  ftrace_set_clr_event(k, 'kmem', true);
  free_unref_page_list(k, pages);
  expect(traced(k).map((text) => text.split(':')[0])).toEqual([
    ...pages.map(() => 'mm_page_free'),
    ...pages.map(() => 'mm_page_free_batched'),
  ]);
});

test('the latest events are kept, and how many there were is said', () => {
  const k = machine();
  set_buf_size(k, '1');
  ftrace_set_clr_event(k, 'mm_page_free', true);
  // Of 4096 bytes: 6 words that each record has, and 3 of this event's.
  const capacity = Math.floor(1024 / 9);
  const freed: number[] = [];
  for (let i = 0; i < capacity + 7; i++) {
    const pfn = __alloc_pages(k, GFP_KERNEL, i & 1, 0);
    __free_pages(k, pfn, i & 1);
    freed.push(pfn);
  }
  expect(trace(k)).toContain(`# entries-in-buffer/entries-written: ${capacity}/${capacity + 7}   #P:1\n`);
  expect([...k.trace.buffer!.records()].map(({ words }) => words[0])).toEqual(freed.slice(7));
});

test('reading trace_pipe takes the events out', () => {
  const k = machine();
  ftrace_set_clr_event(k, 'mm_page_free', true);
  __free_pages(k, __alloc_pages(k, GFP_KERNEL, 0, 0), 0);
  expect(tracefs_read(k, '/sys/kernel/tracing/trace_pipe')).toMatch(/^ +<idle>-0 {7}\[000\] .* mm_page_free: .*\n$/);
  expect(tracefs_read(k, '/sys/kernel/tracing/trace_pipe')).toBe('');
  expect(trace(k)).toContain('# entries-in-buffer/entries-written: 0/1   #P:1\n');
});

test('off, nothing is recorded, and requests take the written-out paths again', () => {
  const k = machine();
  ftrace_set_clr_event(k, 'kmem', true);
  ftrace_set_clr_event(k, 'kmem:*', false);
  __free_pages(k, __alloc_pages(k, GFP_KERNEL, 0, 0), 0);
  expect(traced(k)).toEqual([]);
  expect(k.page_alloc.static_keys & KEY_TRACE).toBe(0);
});
