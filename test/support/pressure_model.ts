// Every kind of memory pressure at once, against a plain record of what everybody has written: tasks that map, write, read,
// fork and exit, files by system call and by mapping, blocks of the kernel; disks that fail and stall, requests for pages that
// fail on purpose, cpusets that change, a swap area that comes and goes, compaction. All that happens follows from the seed.

import type { cpuset } from '../../kernel/cgroup/cpuset.ts';
import { cpuset_attach, cpuset_create, update_cpumask, update_nodemask } from '../../kernel/cgroup/cpuset_write.ts';
import { disk_inject } from '../../kernel/drivers/block/disk.ts';
import { __GFP_NOWARN, __GFP_THISNODE, GFP_NOWAIT } from '../../kernel/include/gfp_types.ts';
import { NR_FREE_PAGES, NR_WRITEBACK } from '../../kernel/include/mmzone.ts';
import { EINVAL, ENOMEM, PAGE_SIZE, type pfn_t } from '../../kernel/include/types.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { compact_nodes } from '../../kernel/mm/compaction.ts';
import { fail_page_alloc_write } from '../../kernel/mm/fail_page_alloc.ts';
import { filemap_write_and_wait } from '../../kernel/mm/filemap_io.ts';
import { memory_max_write } from '../../kernel/mm/memcg_files.ts';
import { type mem_cgroup, mem_cgroup_attach, mem_cgroup_create } from '../../kernel/mm/memcontrol.ts';
import { spawn_process } from '../../kernel/mm/mmap.ts';
import { __alloc_pages, __free_pages } from '../../kernel/mm/page_alloc.ts';
import { swapoff } from '../../kernel/mm/swapoff.ts';
import { swapon } from '../../kernel/mm/swapon.ts';
import { all_vm_events } from '../../kernel/mm/vm_event.ts';
import { global_node_page_state, global_zone_page_state } from '../../kernel/mm/vmstat.ts';
import { kthread_run } from '../../kernel/sched/kthread.ts';
import { run } from '../../kernel/sched/run.ts';
import { not_sleeping, type Sleeping } from '../../kernel/sched/sleeping.ts';
import { msleep } from '../../kernel/sched/timeout.ts';
import { Audit } from '../../kernel/workloads/audit.ts';
import type { HeldBlock } from '../../kernel/workloads/census.ts';
import { ModelFile } from './pressure_files.ts';
import { FILES_MIB, type PressureSpec, pressureMachine } from './pressure_machine.ts';
import { PressureTask } from './pressure_task.ts';

/** Pages of the kernel, with what its first word follows from. */
export interface KeyedBlock extends HeldBlock {
  readonly key: number;
}

const NR_TASKS = 6;
const MAX_TASKS = 12;
const NR_FILES = 4;
const PAGES_PER_MIB = 256;
const FILL_ORDER = 8;
const FIRST_AUDIT_NS = 5e6;

export class PressureModel {
  readonly k: Kernel;
  readonly spec: PressureSpec;
  readonly files: ModelFile[];
  readonly cpusets: cpuset[] = [];
  /** What tasks hold of the kernel's memory. */
  readonly blocks = new Map<pfn_t, KeyedBlock>();
  readonly wrong: string[] = [];
  /** Errors that tasks were told of, by name. */
  readonly told: Record<string, number> = { SIGBUS: 0, EIO: 0, ENOMEM: 0, 'no block': 0, 'no process': 0, killed: 0 };
  /** Pages that each new area has, about. */
  readonly share: number;
  operations = 0;
  nr_running = 0;
  readonly #audit: Audit;
  #left: number;
  #state: number;
  #key = 0;
  #nr_tasks = 0;
  readonly #memcg: mem_cgroup | null;

  constructor(spec: PressureSpec, operations: number) {
    this.spec = spec;
    this.#left = operations;
    this.#state = spec.seed >>> 0;
    this.k = pressureMachine(spec);
    const { k } = this;
    const disk = k.block.disks[spec.swap.length]!;
    const pages = Math.floor((FILES_MIB * PAGES_PER_MIB) / NR_FILES);
    this.files = Array.from({ length: NR_FILES }, (_, n) => new ModelFile(k, disk, n * pages, pages));
    const total = spec.swap.reduce((sum, mib) => sum + mib, spec.room) * PAGES_PER_MIB;
    this.share = Math.floor((total * spec.demand) / 100 / NR_TASKS / 2);
    const memcg = not_sleeping(mem_cgroup_create(k, k.memcg.root_mem_cgroup, 'limited'), 'mkdir');
    this.#memcg = typeof memcg === 'number' ? null : memcg;
    this.#audit = new Audit(k);
    this.#fill_up();
    for (const one of k.block.disks) disk_inject(k, one, { ...spec.faults, stall_us: 50_000 });
  }

  /** Below `ceil`. */
  chance(ceil: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let x = this.#state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return Math.floor((((x ^ (x >>> 14)) >>> 0) / 2 ** 32) * ceil);
  }

  /** What no page has held before. */
  next_key(): number {
    return ++this.#key;
  }

  /** One operation more. @returns false: there have been enough */
  more(): boolean {
    if (this.#left === 0) return false;
    this.#left--;
    this.operations++;
    return true;
  }

  get enough(): boolean {
    return this.#left === 0;
  }

  get crowded(): boolean {
    return this.nr_running >= MAX_TASKS;
  }

  readonly next_task = (): number => this.#nr_tasks++;

  /** Keeps so many tasks alive, whoever is killed. */
  *#parent(): Sleeping<void> {
    const { k } = this;
    while (!this.enough || this.nr_running > 0) {
      while (this.nr_running < NR_TASKS && !this.enough) {
        const task = new PressureTask(this);
        const made = yield* spawn_process(k, task.name, () => task.body());
        if (typeof made === 'number') this.told['no process']!++;
        else task.started(made);
        if (typeof made === 'number') break;
      }
      yield* msleep(k, 20);
    }
  }

  /** The kernel takes memory, evenly of all nodes, until so much is left that the tasks soon want more. */
  #fill_up(): void {
    const { k, spec } = this;
    let fails = 0;
    for (let nid = 0; fails < spec.nodes && global_zone_page_state(k, NR_FREE_PAGES) > spec.room * PAGES_PER_MIB; ) {
      const pfn = __alloc_pages(k, GFP_NOWAIT | __GFP_THISNODE | __GFP_NOWARN, FILL_ORDER, nid);
      fails = pfn < 0 ? fails + 1 : 0;
      if (pfn >= 0) this.blocks.set(pfn, { pfn, order: FILL_ORDER, key: 0 });
      nid = (nid + 1) % spec.nodes;
    }
  }

  /** What goes wrong, or changes, from outside. */
  *#injector(): Sleeping<void> {
    const { k, spec } = this;
    const area = `/dev/vd${String.fromCharCode(96 + spec.swap.length)}`;
    while (!this.enough || this.nr_running > 0) {
      yield* msleep(k, 1 + this.chance(40));
      const what = this.chance(6);
      if (what === 0) this.#fail_requests();
      else if (what === 1 && spec.cpusets) this.#move_cpusets();
      else if (what === 2 && spec.switching && spec.swap.length > 0 && this.chance(4) === 0) {
        if ((yield* swapoff(k, area)) === 0) {
          yield* msleep(k, this.chance(20));
          const error = yield* swapon(k, area, 0);
          // Its header may not be readable.
          if (error !== 0 && spec.faults.read === 0 && error !== -ENOMEM) this.wrong.push(`swapon: ${error}`);
        }
      } else if (what === 4 && spec.cpusets) yield* this.#limit();
      else if (what === 3 && this.chance(3) === 0) yield* compact_nodes(k);
    }
  }

  #fail_requests(): void {
    const percent = this.chance(2) === 0 ? 0 : this.spec.fail_page_alloc;
    const files: [string, string][] = [
      ['probability', `${percent}`],
      ['times', '-1'],
      ['verbose', '0'],
      ['min-order', `${this.chance(2)}`],
      ['ignore-gfp-wait', this.chance(3) === 0 ? '0' : '1'],
      ['ignore-gfp-highmem', this.chance(3) === 0 ? '0' : '1'],
    ];
    for (const [name, value] of files) fail_page_alloc_write(this.k, name, value);
  }

  /** A cgroup gets another limit, and tasks that had none. */
  *#limit(): Sleeping<void> {
    const { k } = this;
    if (this.#memcg === null) return;
    const limit = this.chance(3) === 0 ? 'max' : `${this.chance(256) * PAGE_SIZE}`;
    const error = yield* memory_max_write(k, this.#memcg, limit);
    if (error !== 0) this.wrong.push(`memory.max: ${error}`);
    for (const task of k.sched.tasks) {
      if (task.mm === null || this.chance(4) > 0) continue;
      mem_cgroup_attach(k, this.chance(2) === 0 ? k.memcg.root_mem_cgroup : this.#memcg, task);
    }
  }

  #move_cpusets(): void {
    const { k, spec } = this;
    if (this.cpusets.length < 2) {
      const made = cpuset_create(k, k.cpuset.top_cpuset, `set${this.cpusets.length}`);
      if (typeof made === 'number') throw new Error(`cpuset_create: ${made}`);
      update_cpumask(k, made, `0-${spec.cpus - 1}`);
      update_nodemask(k, made, `0-${spec.nodes - 1}`);
      this.cpusets.push(made);
    }
    const cs = this.cpusets[this.chance(this.cpusets.length)]!;
    const first = this.chance(spec.nodes);
    update_nodemask(k, cs, `${first}-${first + this.chance(spec.nodes - first)}`);
    for (const task of k.sched.tasks) {
      if (task.mm === null || this.chance(4) > 0) continue;
      cpuset_attach(k, this.chance(3) === 0 ? k.cpuset.top_cpuset : cs, task);
    }
  }

  /** To the end, with a look at every page from time to time. */
  run(): void {
    const { k } = this;
    const parent = kthread_run(k, 'parent', () => this.#parent());
    const injector = kthread_run(k, 'injector', () => this.#injector());
    const done = (): boolean => !k.sched.tasks.has(parent) && !k.sched.tasks.has(injector);
    for (let gap = FIRST_AUDIT_NS; !done() && this.wrong.length === 0; gap = Math.min(gap * 2, 2e9)) {
      const due = k.sched.latest + gap;
      const how = run(k, { until: () => k.sched.latest >= due || done() });
      if (how !== 'done') this.wrong.push(`${how}: ${this.#who()}`);
      this.#look(false);
    }
    if (this.wrong.length === 0) this.#settle();
  }

  #look(quiet: boolean): void {
    this.wrong.push(...this.#audit.look(this.blocks.values(), quiet).slice(0, 5));
  }

  #who(): string {
    return [...this.k.sched.tasks].map((t) => `${t.comm} 0x${t.__state.toString(16)}`).join(', ');
  }

  /** Faults end, files are synced, and what is left is looked at. */
  #settle(): void {
    const { k, files, wrong } = this;
    for (const disk of k.block.disks) disk_inject(k, disk, { read: 0, write: 0, stall: 0 });
    fail_page_alloc_write(k, 'probability', '0');
    for (const { pfn, order, key } of this.blocks.values()) {
      if (key !== 0) this.wrong.push(`a block of order ${order} is left`);
      else __free_pages(k, pfn, order);
    }
    this.blocks.clear();
    const areas = this.spec.swap.map((_, n) => `/dev/vd${String.fromCharCode(97 + n)}`);
    let synced = false;
    kthread_run(k, 'sync', function* () {
      for (const area of areas) {
        const error = yield* swapoff(k, area);
        if (error !== 0 && error !== -EINVAL) wrong.push(`swapoff: ${error}`);
      }
      for (const file of files) if ((yield* filemap_write_and_wait(k, file.f.f_inode.i_mapping)) !== 0) file.errors++;
      synced = true;
    });
    if (run(k, { until: () => synced }) !== 'done') this.wrong.push(`no end of sync: ${this.#who()}`);
    for (let n = 0; n < 10; n++) {
      run(k, { for_ns: 1e9 });
      if (global_node_page_state(k, NR_WRITEBACK) === 0) break;
    }
    for (const { stale, errors } of files) {
      if (stale > 0 && errors === 0) this.wrong.push(`${stale} pages of a file were not written, and nobody was told`);
    }
    this.#look(true);
    if (k.folio_wait.queues.size > 0) this.wrong.push('somebody waits for a page');
    const bad = k.log.records.filter(({ text }) => /BUG|WARNING|Bad page|Bad rss|blocked for more/.test(text));
    this.wrong.push(...bad.slice(0, 5).map(({ text }) => text));
  }

  /** All that two runs with one seed must agree in. */
  digest(): string {
    const { k, told, operations } = this;
    return JSON.stringify([
      k.sched.latest,
      operations,
      told,
      [...all_vm_events(k)],
      k.log.records.map((one) => one.text),
    ]);
  }
}
