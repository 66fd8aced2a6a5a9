// What the OOM killer says, against what Debian's 6.1.192 said when it ran out of memory (test/golden/oom/README.md): with
// processes that have what those had, every line is the same but for how much was free and the call trace.

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { bootLab } from '../../../cli/lab.ts';
import { parseQemuOptions } from '../../../emu/config/qemu_options.ts';
import type { cpuset } from '../../../kernel/cgroup/cpuset.ts';
import { cpuset_attach, cpuset_create, update_cpumask, update_nodemask } from '../../../kernel/cgroup/cpuset_write.ts';
import { debian } from '../../../kernel/config.ts';
import { node_stat_names } from '../../../kernel/fs/proc/vmstat_text.ts';
import { MM_ANONPAGES, MM_FILEPAGES, MM_SHMEMPAGES, MM_SWAPENTS } from '../../../kernel/include/mm.ts';
import { OOM_SCORE_ADJ_MIN } from '../../../kernel/include/oom.ts';
import { PGFAULT } from '../../../kernel/include/vm_event_item.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { KernelPanic } from '../../../kernel/lib/bug.ts';
import { nodemask_of_node, nodes_copy } from '../../../kernel/lib/nodemask.ts';
import { alloc_context } from '../../../kernel/mm/alloc_context.ts';
import { gfp_zone } from '../../../kernel/mm/gfp.ts';
import { memory_oom_group_write } from '../../../kernel/mm/memcg_oom.ts';
import { mem_cgroup, mem_cgroup_attach, mem_cgroup_create } from '../../../kernel/mm/memcontrol.ts';
import { mm_struct } from '../../../kernel/mm/mm_struct.ts';
import { oom_hooks } from '../../../kernel/mm/oom_kill.ts';
import { page_counter_charge } from '../../../kernel/mm/page_counter.ts';
import { zones_of } from '../../../kernel/mm/prepare_alloc.ts';
import { not_sleeping } from '../../../kernel/sched/sleeping.ts';
import { task_struct } from '../../../kernel/sched/task.ts';
import { printed } from '../../support/zoned.ts';

const DIRECTORY = new URL('../../golden/oom/', import.meta.url);
const cases = readdirSync(DIRECTORY)
  .filter((name) => name.endsWith('.txt'))
  .map((name) => name.slice(0, -4));

/** Lines of a recording; those of memcg are as /dev/kmsg has them. */
function recorded(name: string): string[] {
  const text = readFileSync(new URL(`${name}.txt`, DIRECTORY), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .flatMap((line) => line.replace(/^\d+,\d+,\d+,[-c];/, '').split('\\x0a'));
}

/** Each report from its first line on. */
function reports(lines: readonly string[]): string[][] {
  const starts = lines.flatMap((line, n) => (line.includes(' invoked oom-killer: ') ? [n] : []));
  return starts.map((start, n) => lines.slice(start, starts[n + 1]));
}

/** What is not to be compared goes: the call trace, versions, how much was free. */
function comparable(lines: readonly string[]): string[] {
  const out: string[] = [];
  let skips = false;
  let mem_info = false;
  for (const line of lines) {
    if (line === 'Call Trace:') skips = true;
    else if (line === ' </TASK>') skips = false;
    else if (!skips && !line.startsWith('Hardware name:')) {
      if (line === 'Mem-Info:') mem_info = true;
      if (/^(Tasks state|oom-kill|Out of memory)/.test(line)) mem_info = false;
      const shown = mem_info ? line.replaceAll(/ \([UMEHCI]+\)/g, '').replaceAll(/\d+/g, '#') : line;
      out.push(shown.replace(/^(CPU: \d+ PID: \d+ Comm: \S+) .*/, '$1'));
    }
    if (line.startsWith('Kernel panic')) break;
  }
  return out.filter((line) => !line.startsWith('percpu '));
}

const ROW = /^\[ *(\d+)\] +(\d+) +\d+ +(\d+) +(\d+) +(\d+) +(\d+) +(-?\d+) (.*)$/;
const KILLED =
  /Killed process (\d+) .*total-vm:\d+kB, anon-rss:(\d+)kB, file-rss:(\d+)kB, shmem-rss:(\d+)kB, UID:(\d+) pgtables:(\d+)kB oom_score_adj:(-?\d+)/;

/** The processes of a report: who is in its table, or without one, who was killed. */
function processes(k: Kernel, lines: readonly string[], invoker: number): task_struct[] {
  const made = new Map<number, task_struct>();
  const task_of = (pid: number, comm: string, adj: number): task_struct => {
    const task = new task_struct(pid, comm, 0);
    task.mm = new mm_struct(0);
    task.oom_score_adj = adj;
    nodes_copy(task.mems_allowed, k.node_states.N_MEMORY);
    made.set(pid, task);
    return task;
  };
  for (const line of lines) {
    const [, pid, uid, total_vm, rss, pgtables, swapents, adj, comm] = ROW.exec(line) ?? [];
    if (pid === undefined) continue;
    const task = task_of(Number(pid), comm!, Number(adj));
    task.uid = Number(uid);
    task.mm!.total_vm = Number(total_vm);
    task.mm!.rss_stat[MM_ANONPAGES] = Number(rss);
    task.mm!.pgtables_bytes = Number(pgtables);
    task.mm!.rss_stat[MM_SWAPENTS] = Number(swapents);
  }
  for (const line of lines) {
    const [, pid, anon, file, shmem, , pgtables, adj] = KILLED.exec(line) ?? [];
    if (pid === undefined) continue;
    const task = made.get(Number(pid)) ?? task_of(Number(pid), 'busybox', Number(adj));
    const mm = task.mm!;
    const pages = (kb: string | undefined): number => Number(kb) / 4;
    mm.rss_stat[MM_ANONPAGES] = pages(anon);
    mm.rss_stat[MM_FILEPAGES] = pages(file);
    mm.rss_stat[MM_SHMEMPAGES] = pages(shmem);
    if (mm.total_vm === 0) mm.total_vm = pages(/total-vm:(\d+)kB/.exec(line)![1]);
    if (mm.pgtables_bytes === 0) mm.pgtables_bytes = Number(pgtables) * 1024;
  }
  if (!made.has(invoker)) task_of(invoker, 'busybox', 0);
  return [...made.values()];
}

const word = (lines: readonly string[], name: string): string | undefined =>
  new RegExp(`[,:]${name}=([^,]*)`).exec(lines.find((line) => line.startsWith('oom-kill:')) ?? '')?.[1];

/** The cgroups that a report names, with what it says that they have. */
function memcg_of(k: Kernel, lines: readonly string[], oom_memcg: string): mem_cgroup {
  const made: mem_cgroup[] = [k.memcg.root_mem_cgroup];
  for (const name of word(lines, 'task_memcg')!.slice(1).split('/')) {
    const memcg = not_sleeping(mem_cgroup_create(k, made.at(-1)!, name), 'mkdir');
    if (!(memcg instanceof mem_cgroup)) throw new Error(`no cgroup ${name}`);
    made.push(memcg);
  }
  const memcg = made[oom_memcg.split('/').length - 1]!;
  const [, usage, limit, failcnt] = /^memory: usage (\d+)kB, limit (\d+)kB, failcnt (\d+)/m.exec(lines.join('\n'))!;
  page_counter_charge(memcg.memory, Number(usage) / 4);
  memcg.memory.max = Number(limit) / 4;
  memcg.memory.failcnt = Number(failcnt);
  const shown = new Map(lines.map((line) => line.split(' ') as [string, string]));
  const stat = (name: string): number => Number(shown.get(name) ?? 0);
  memcg.kmem_pages = stat('kernel') / 4096;
  const set = (item: (typeof node_stat_names)[number], value: number): void => {
    memcg.lruvecs[0]!.stats[node_stat_names.indexOf(item)] = value;
  };
  set('nr_anon_pages', stat('anon') / 4096);
  set('nr_kernel_stack', stat('kernel_stack') / 1024);
  set('nr_page_table_pages', stat('pagetables') / 4096);
  set('nr_inactive_anon', stat('inactive_anon') / 4096);
  set('nr_active_anon', stat('active_anon') / 4096);
  set('nr_slab_reclaimable', stat('slab_reclaimable'));
  set('nr_slab_unreclaimable', stat('slab_unreclaimable'));
  memcg.vm_events[PGFAULT] = stat('pgfault');
  if (lines.some((line) => line.includes('memory.oom.group set'))) memory_oom_group_write(memcg, '1');
  return memcg;
}

/** Brings about the situation of a report. @returns what our kernel says */
function replay(k: Kernel, name: string, lines: readonly string[]): string[] {
  const header = /gfp_mask=0x([0-9a-f]+)\(.*\), order=(\d+), oom_score_adj=(-?\d+)/.exec(lines[0]!)!;
  const invoker = Number(/ PID: (\d+) /.exec(lines.find((line) => line.startsWith('CPU:'))!)![1]);
  const tasks = processes(k, lines, invoker);
  k.sched.tasks.clear();
  for (const task of tasks) k.sched.tasks.add(task);
  const current = tasks.find(({ pid }) => pid === invoker)!;
  const before = k.current;
  k.current = current;
  k.oom.sysctl_oom_kill_allocating_task = Number(name === 'allocating');
  k.oom.sysctl_oom_dump_tasks = Number(name !== 'nodump');
  k.oom.sysctl_panic_on_oom = Number(name === 'panic');
  for (const line of lines) {
    const [, nid, unreclaimable] = /^Node (\d+) .* all_unreclaimable\? (\w+)/.exec(line) ?? [];
    if (nid !== undefined) k.node_data[Number(nid)]!.kswapd_failures = unreclaimable === 'yes' ? 16 : 0;
  }
  const ac = new alloc_context();
  const gfp = Number.parseInt(header[1]!, 16);
  ac.highest_zoneidx = gfp_zone(gfp);
  ac.zones = zones_of(k, ac);
  const nodemask = word(lines, 'nodemask');
  if (nodemask !== undefined && nodemask !== '(null)') ac.nodemask = nodemask_of_node(Number(nodemask));
  const in_cpuset = word(lines, 'cpuset');
  if (in_cpuset !== undefined && in_cpuset !== '/') {
    const cs = cpuset_create(k, k.cpuset.top_cpuset, in_cpuset) as cpuset;
    update_cpumask(k, cs, '0');
    update_nodemask(k, cs, word(lines, 'mems_allowed')!);
    cpuset_attach(k, cs, current);
  }
  const oom_memcg = word(lines, 'oom_memcg');
  const said = printed(k).length;
  try {
    if (oom_memcg === undefined) oom_hooks.out_of_memory(k, ac, gfp, Number(header[2]));
    else {
      const memcg = memcg_of(k, lines, oom_memcg);
      let inner = memcg;
      while (inner.children.length > 0) inner = inner.children[0]!;
      for (const task of tasks) mem_cgroup_attach(k, inner, task);
      oom_hooks.mem_cgroup_out_of_memory(k, memcg, gfp, 1);
    }
  } catch (error) {
    if (!(error instanceof KernelPanic)) throw error;
  }
  k.current = before;
  return printed(k).slice(said);
}

function booted(name: string): Kernel {
  const node = (n: number): string =>
    `-object memory-backend-ram,size=256M,id=m${n} -numa node,nodeid=${n},memdev=m${n},cpus=${n}`;
  const nodes = name === 'cpuset' || name === 'bind';
  const options = nodes ? `-M pc -m 512M -smp 2 ${node(0)} ${node(1)}` : '-M pc -m 256M';
  const parsed = parseQemuOptions(options.split(' '), () => '');
  if ('errors' in parsed) throw new Error(parsed.errors.join());
  return bootLab({ machine: parsed.config, kernel: debian, cmdline: '', firmware: 'none' }).kernel;
}

describe.each(cases)('%s', (name) => {
  test('line by line', () => {
    const k = booted(name);
    for (const lines of reports(recorded(name))) {
      expect(comparable(replay(k, name, lines))).toEqual(comparable(lines));
    }
  });
});

test('levels are those of Linux', () => {
  const k = booted('memcg');
  const text = readFileSync(new URL('memcg.txt', DIRECTORY), 'utf8');
  const levels = new Map(
    text.split('\n').flatMap((line) => {
      const found = /^(\d+),\d+,\d+,[-c];([^\\]*)/.exec(line);
      return found === null ? [] : [[found[2]!, Number(found[1])]];
    }),
  );
  const from = k.log.records.length;
  replay(k, 'memcg', recorded('memcg'));
  const compared = k.log.records.slice(from).filter((one) => levels.has(one.text));
  expect(compared.length).toBeGreaterThan(8);
  for (const { text: line, level } of compared) expect([line, level]).toEqual([line, levels.get(line)]);
});

test('nobody is killed who must not be', () => {
  const k = booted('global');
  const lines = recorded('global').map((line) => line.replace(/0 busybox$/, `${OOM_SCORE_ADJ_MIN} busybox`));
  expect(replay(k, 'global', lines).at(-2)).toMatch(/^Kernel panic - not syncing: System is deadlocked on memory/);
});
