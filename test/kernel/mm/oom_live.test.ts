// Machines that run out of memory as those of test/golden/oom did: processes fault pages in until reclaim has nothing left.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { bootLab } from '../../../cli/lab.ts';
import { parseSwapOption, prepareSwap, switchSwapOn } from '../../../cli/swap_option.ts';
import { parseQemuOptions } from '../../../emu/config/qemu_options.ts';
import { debian } from '../../../kernel/config.ts';
import { SIGKILL } from '../../../kernel/include/sched.ts';
import { ALLOCSTALL, OOM_KILL } from '../../../kernel/include/vm_event_item.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { start_reclaim } from '../../../kernel/mm/reclaim.ts';
import { all_vm_events } from '../../../kernel/mm/vm_event.ts';
import { run } from '../../../kernel/sched/run.ts';
import { hog, holder, process } from '../../../kernel/tests/oom_machine.ts';
import { printed } from '../../support/zoned.ts';

const ALLOCSTALL_MOVABLE = ALLOCSTALL + 3;

function booted(options: string, swap: readonly string[] = []): Kernel {
  const parsed = parseQemuOptions(options.split(' '), () => '');
  if ('errors' in parsed) throw new Error(parsed.errors.join());
  const areas = swap.map(parseSwapOption);
  const { kernel } = bootLab({
    machine: parsed.config,
    kernel: debian,
    cmdline: '',
    firmware: 'none',
    disks: areas.map(({ disk }) => disk),
    onFirmwareDone: ({ disks }) => disks.forEach(prepareSwap),
  });
  expect(switchSwapOn(kernel, areas)).toEqual([]);
  start_reclaim(kernel);
  return kernel;
}

/** One report without its call trace, and without what differs from run to run. */
function form(lines: readonly string[]): string[] {
  const start = lines.findIndex((line) => line.includes(' invoked oom-killer: '));
  const out: string[] = [];
  let skips = false;
  for (const line of lines.slice(start)) {
    if (line === 'Call Trace:') skips = true;
    if (!skips && !line.startsWith('Hardware name:')) {
      const shown = line.replace(/^(CPU: \d+ PID: \d+ Comm: \S+) .*/, '$1').replaceAll(/ \([UMEHCI]+\)/g, '');
      out.push(shown.replaceAll(/\d+/g, '#').replaceAll(/ +/g, ' '));
    }
    if (line === ' </TASK>') skips = false;
    if (line.startsWith('Out of memory: Killed')) break;
  }
  return out;
}

test('256 MiB, a process beside an idle one: the report, and as many attempts as the recorded kernel made', () => {
  const recorded = readFileSync(new URL('../../golden/oom/global.txt', import.meta.url), 'utf8')
    .trimEnd()
    .split('\n');
  const k = booted('-M pc -m 256M');
  const idle = process(k, 'busybox', holder(1));
  const task = process(k, 'busybox', hog);
  expect(run(k, { until: () => !k.sched.tasks.has(task), for_ns: 100e9 })).toBe('done');
  expect(form(printed(k))).toEqual(form(recorded));
  expect([task.exit_code, k.sched.tasks.has(idle)]).toEqual([SIGKILL, true]);
  const events = all_vm_events(k);
  // /proc/vmstat of recorded ones with a single process says 17 or 18, and 1.
  expect([events[ALLOCSTALL_MOVABLE], events[OOM_KILL]]).toEqual([17, 1]);
});

test('several on two CPUs, with swap: each is killed once, and gives back its swap', () => {
  const k = booted('-M pc -m 96M -smp 2', ['8M']);
  const idle = process(k, 'idle', holder(100));
  const hogs = ['a', 'b', 'c'].map((comm) => process(k, comm, hog));
  expect(run(k, { until: () => hogs.every((task) => !k.sched.tasks.has(task)), for_ns: 100e9 })).toBe('done');
  expect(hogs.map(({ exit_code }) => exit_code)).toEqual([SIGKILL, SIGKILL, SIGKILL]);
  expect(all_vm_events(k)[OOM_KILL]).toBe(3);
  run(k, { for_ns: 3e9 });
  const { nr_swap_pages, total_swap_pages } = k.swap;
  expect(total_swap_pages - nr_swap_pages).toBe(idle.mm!.rss_stat[2]);
});
