// More pages than there is memory, by tasks on several CPUs, with swap: kswapd and the tasks themselves reclaim, every
// task finds what it wrote, kswapd goes to sleep again, and a second run with the same seed is the same run.

import { expect, test } from 'vitest';
import { recorder } from '../../../kernel/config.ts';
import { VM_READ, VM_WRITE } from '../../../kernel/include/mm.ts';
import { TASK_INTERRUPTIBLE } from '../../../kernel/include/sched.ts';
import { PAGE_SIZE } from '../../../kernel/include/types.ts';
import { vm_event_item } from '../../../kernel/include/vm_event_item.ts';
import { Kernel } from '../../../kernel/kernel.ts';
import { kunit } from '../../../kernel/lib/kunit.ts';
import { nodemask_of_node, nodes_or } from '../../../kernel/lib/nodemask.ts';
import { kswapd_init } from '../../../kernel/mm/kswapd.ts';
import { mm_alloc, mmput, vm_mmap } from '../../../kernel/mm/mmap.ts';
import { start_reclaim } from '../../../kernel/mm/reclaim.ts';
import { user_read, user_write } from '../../../kernel/mm/uaccess.ts';
import { all_vm_events } from '../../../kernel/mm/vm_event.ts';
import { ktime_get } from '../../../kernel/sched/clock.ts';
import { cond_resched } from '../../../kernel/sched/core.ts';
import { user_mode_thread } from '../../../kernel/sched/fork.ts';
import { run } from '../../../kernel/sched/run.ts';
import { made_progress } from '../../../kernel/sched/watchdog.ts';
import { nodes_of, running } from '../../../kernel/tests/allocator.ts';
import type { TestMachine } from '../../../kernel/tests/env.ts';
import { add_area, disks_of } from '../../../kernel/tests/swap_area.ts';
import { print_event } from '../../../kernel/trace/trace.ts';
import { ftrace_set_clr_event } from '../../../kernel/trace/trace_events.ts';
import { diskHw } from '../../support/hw.ts';

const machine: TestMachine = {
  kernel: (ram, { config = recorder, boot_params, disks = [] } = {}) =>
    new Kernel(diskHw(ram, disks, boot_params), config),
};

const BASE = 0x10000000;

interface Outcome {
  readonly k: Kernel;
  readonly wrong: string[];
  readonly ended: number;
  readonly how: string;
  readonly trace: string;
}

function pressed(nr_nodes: number, nr_tasks: number, pages: number): Outcome {
  const cpus = Array.from({ length: 2 * nr_nodes }, (_, cpu) => cpu % nr_nodes);
  const k = running(new kunit('pressure', machine), nodes_of(nr_nodes, 64 / nr_nodes), {
    cpus,
    disks: disks_of(40000),
  });
  add_area(k, '/dev/vda');
  for (let nid = 0; nid < nr_nodes; nid++)
    k.node_states.N_MEMORY.set(nodes_or(k.node_states.N_MEMORY, nodemask_of_node(nid)));
  ftrace_set_clr_event(k, 'vmscan', true);
  start_reclaim(k);
  kswapd_init(k);
  const wrong: string[] = [];
  let ended = 0;
  for (let t = 0; t < nr_tasks; t++) {
    user_mode_thread(k, `task${t}`, function* () {
      const mm = (yield* mm_alloc(k))!;
      k.current.mm = mm;
      yield* vm_mmap(k, mm, BASE, pages * PAGE_SIZE, VM_READ | VM_WRITE);
      const word = new Uint8Array(4);
      const view = new DataView(word.buffer);
      for (let n = 0; n < pages; n++) {
        view.setUint32(0, t * pages + n);
        if ((yield* user_write(k, mm, BASE + n * PAGE_SIZE, word)) !== 0) wrong.push(`${t}: page ${n} not written`);
        if ((n & 63) === 0) made_progress(k);
        yield* cond_resched(k);
      }
      for (let i = 0, n = t; i < pages; i++) {
        n = (n + 3001) % pages;
        if ((yield* user_read(k, mm, BASE + n * PAGE_SIZE, word)) !== 0 || view.getUint32(0) !== t * pages + n) {
          wrong.push(`${t}: page ${n} has ${view.getUint32(0)}`);
        }
        if ((i & 63) === 0) made_progress(k);
        yield* cond_resched(k);
      }
      k.current.mm = null;
      yield* mmput(k, mm);
      ended++;
    });
  }
  const how = run(k, {});
  const trace = [...(k.trace.buffer?.records() ?? [])].map((one) => `${one.time_ns} ${one.cpu} ${print_event(k, one)}`);
  return { k, wrong, ended, how, trace: trace.join('\n') };
}

const events = (k: Kernel): Record<string, number> =>
  Object.fromEntries(vm_event_item.map((name, item) => [name, all_vm_events(k)[item]!]));

test.each([[2, 3, 5500]])(
  '%i nodes, %i tasks of %i pages, twice',
  (nr_nodes, nr_tasks, pages) => {
    const [a, b] = [pressed(nr_nodes, nr_tasks, pages), pressed(nr_nodes, nr_tasks, pages)];
    expect([a.how, a.ended, a.wrong.slice(0, 5)]).toEqual(['idle', nr_tasks, []]);
    for (const { kswapd } of a.k.kswapd.nodes) expect(kswapd?.__state).toBe(TASK_INTERRUPTIBLE);
    const counts = events(a.k);
    for (const name of ['pgsteal_kswapd', 'pswpin', 'pswpout'])
      expect([name, counts[name]! > 500]).toEqual([name, true]);
    expect(a.trace).toContain('mm_vmscan_wakeup_kswapd: nid=0 order=0 gfp_flags=GFP_HIGHUSER_MOVABLE');
    // At the end every daemon goes to sleep.
    expect(
      a.trace
        .split('\n')
        .slice(-nr_nodes)
        .every((line) => line.includes('kswapd_sleep')),
    ).toBe(true);
    expect(b.trace).toBe(a.trace);
    expect([ktime_get(b.k), events(b.k)]).toEqual([ktime_get(a.k), counts]);
  },
  60_000,
);
