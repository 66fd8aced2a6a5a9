// A run of workloads: who takes part, what each has done and how it ended. An actor is a task with memory of its own;
// whatever it writes it knows, and compares when it reads.

import { PAGE_SECTORS_SHIFT } from '../drivers/block/blk.ts';
import type { gendisk } from '../drivers/block/disk.ts';
import { VM_NORESERVE, VM_READ, VM_SHARED, VM_WRITE } from '../include/mm.ts';
import { SIGKILL } from '../include/sched.ts';
import { EFAULT, EINTR, EIO, type gfp_t, PAGE_SIZE, type pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { KernelBug } from '../lib/bug.ts';
import { prandom_u32_max, seed_random } from '../lib/random.ts';
import type { file } from '../mm/filemap.ts';
import { filemap_read, generic_perform_write, openFile } from '../mm/filemap_io.ts';
import { fork_process } from '../mm/fork_mm.ts';
import { mem_cgroup_handle_over_high } from '../mm/memcg_high.ts';
import { alloc_pages_task } from '../mm/mempolicy.ts';
import { spawn_process, vm_mmap, vm_mmap_file } from '../mm/mmap.ts';
import { __free_pages } from '../mm/page_alloc.ts';
import { user_access } from '../mm/uaccess.ts';
import { page_word_index, page_words } from '../mm/user_pgtable.ts';
import { charge } from '../sched/clock.ts';
import { cond_resched } from '../sched/core.ts';
import { do_exit, exit_to_user_mode } from '../sched/fork.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import type { task_struct } from '../sched/task.ts';
import { made_progress } from '../sched/watchdog.ts';
import { check_page, disk_page_key, fill_page, page_key } from './contents.ts';

const SIGBUS = 7;
const SIGSEGV = 11;
/** exit(1), as do_exit() takes it. */
const EXIT_FAILURE = 1 << 8;
/** What it takes to read or write all of a page. */
const PAGE_NS = 400;
/** How many pages with wrong contents are told of one by one. */
const MAX_TOLD = 10;

/** Anonymous memory, with what each page of it has to hold. */
export class Region {
  readonly start: number;
  /** By page: page_key(), or 0. */
  readonly keys: Int32Array;

  constructor(start: number, keys: Int32Array) {
    this.start = start;
    this.keys = keys;
  }
}

/** A file of which nobody has written anything yet, with what each page of it has to hold. */
export interface KnownFile {
  readonly f: file;
  readonly keys: Int32Array;
}

/** Pages that the kernel itself has: no reclaim finds them. */
export interface KernelBlock {
  readonly actor: Actor;
  readonly pfn: pfn_t;
  readonly order: number;
  readonly key: number;
}

export class Actor {
  readonly run: WorkloadRun;
  readonly name: string;
  readonly id: number;
  /** null: there was no memory to make it of. */
  task: task_struct | null = null;
  /** 'running'; then 'finished', or what killed it. */
  state = 'running';
  /** Pages. */
  written = 0;
  read = 0;
  /** What else there is to say of it. */
  note = '';
  #version = 0;
  readonly #words = new Int32Array(PAGE_SIZE / 4);
  readonly #bytes = new Uint8Array(this.#words.buffer);

  constructor(run: WorkloadRun, name: string, id: number) {
    this.run = run;
    this.name = name;
    this.id = id;
  }

  /** Maps memory that nobody has touched yet: more than there is only without a promise. Context: the actor runs. */
  *map(pages: number): Sleeping<Region> {
    const { k } = this.run;
    const flags = VM_READ | VM_WRITE | (pages > k.mm.totalram_pages ? VM_NORESERVE : 0);
    const start = yield* vm_mmap(k, k.current.mm!, 0, pages * PAGE_SIZE, flags);
    if (start < 0) yield* this.#give_up();
    return new Region(start, new Int32Array(pages));
  }

  /** Where a page is in RAM. A failure is the signal that it is on Linux, and ends the task. */
  *#access(region: Region, page: number, write: boolean): Sleeping<pfn_t> {
    const { k } = this.run;
    if (k.current.fatal_signal_pending) yield* exit_to_user_mode(k);
    const pa = yield* user_access(k, k.current.mm!, region.start + page * PAGE_SIZE, write);
    if (pa < 0) yield* this.#signalled(pa);
    charge(k, PAGE_NS);
    made_progress(k);
    return pa / PAGE_SIZE;
  }

  *write(region: Region, page: number): Sleeping<void> {
    const { k, seed } = this.run;
    const pfn = yield* this.#access(region, page, true);
    const key = page_key(seed, this.id, page, ++this.#version);
    fill_page(page_words(k, pfn), page_word_index(pfn), key);
    region.keys[page] = key;
    this.written++;
  }

  *check(region: Region, page: number): Sleeping<void> {
    const pfn = yield* this.#access(region, page, false);
    this.compare(pfn, region.keys[page]!, `page ${page}`);
  }

  /** Maps a file, to read and write it in place. Context: the actor runs. */
  *map_file({ f, keys }: KnownFile): Sleeping<Region> {
    const { k } = this.run;
    const flags = VM_READ | VM_WRITE | VM_SHARED;
    const start = yield* vm_mmap_file(k, k.current.mm!, f, 0, keys.length * PAGE_SIZE, flags);
    if (start < 0) yield* this.#give_up();
    return new Region(start, keys);
  }

  *read_file({ f, keys }: KnownFile, page: number): Sleeping<void> {
    const { k } = this.run;
    if (k.current.fatal_signal_pending) yield* exit_to_user_mode(k);
    const got = yield* filemap_read(k, f, page * PAGE_SIZE, this.#bytes);
    yield* mem_cgroup_handle_over_high(k);
    if (got < 0) yield* this.#signalled(got);
    made_progress(k);
    this.#compare(this.#words, 0, keys[page]!, `page ${page} of a file`, -1);
  }

  *write_file({ f, keys }: KnownFile, page: number): Sleeping<void> {
    const { k, seed } = this.run;
    if (k.current.fatal_signal_pending) yield* exit_to_user_mode(k);
    const key = page_key(seed, this.id, page, ++this.#version);
    fill_page(this.#words, 0, key);
    const put = yield* generic_perform_write(k, f, page * PAGE_SIZE, this.#bytes);
    yield* mem_cgroup_handle_over_high(k);
    if (put < 0) yield* this.#signalled(put);
    made_progress(k);
    keys[page] = key;
    this.written++;
  }

  /** A block for the kernel, with contents; null: there was none. Context: the actor runs. */
  *take(gfp: gfp_t, order: number): Sleeping<KernelBlock | null> {
    const { k } = this.run;
    const pfn = yield* alloc_pages_task(k, gfp, order);
    if (k.current.fatal_signal_pending) {
      if (pfn >= 0) __free_pages(k, pfn, order);
      yield* exit_to_user_mode(k);
    }
    made_progress(k);
    yield* cond_resched(k);
    return pfn < 0 ? null : this.run.took(this, pfn, order);
  }

  /** Whether a page frame holds what it should; if not, the run has failed. */
  compare(pfn: pfn_t, key: number, what: string): void {
    this.#compare(page_words(this.run.k, pfn), page_word_index(pfn), key, what, pfn);
  }

  #compare(words: Int32Array, at: number, key: number, what: string, pfn: pfn_t): void {
    const { run } = this;
    this.read++;
    const wrong = check_page(words, at, key);
    if (wrong < 0) return;
    const where = `${pfn < 0 ? '' : `pfn 0x${pfn.toString(16)}, `}word ${wrong}`;
    if (++run.nr_wrong <= MAX_TOLD)
      run.wrong.push(`${this.name}: ${what} does not hold what was written to it (${where})`);
  }

  /** After an mmap() that returned -ENOMEM, as most programs do. */
  *#give_up(): Sleeping<void> {
    yield* exit_to_user_mode(this.run.k);
    yield* do_exit(this.run.k, EXIT_FAILURE);
  }

  *#signalled(error: number): Sleeping<void> {
    const { k } = this.run;
    const signal = error === -EIO ? SIGBUS : error === -EFAULT ? SIGSEGV : SIGKILL;
    yield* exit_to_user_mode(k);
    yield* do_exit(k, signal);
  }

  /** Another process with a copy of this one's memory. Context: the actor runs. */
  *fork(name: string, body: (actor: Actor) => Sleeping<void>): Sleeping<Actor> {
    return yield* this.run.start(name, body, fork_process);
  }
}

type MakeProcess = typeof spawn_process;

export class WorkloadRun {
  readonly k: Kernel;
  readonly seed: number;
  readonly actors: Actor[] = [];
  /** Those that have not ended. */
  nr_running = 0;
  nr_wrong = 0;
  readonly wrong: string[] = [];
  /** By first page: what actors have taken for the kernel. */
  readonly blocks = new Map<pfn_t, KernelBlock>();
  /** Where files are, and its first page that is of none. */
  readonly #disk: gendisk | null;
  #disk_page = 0;

  constructor(k: Kernel, seed: number, disk: gendisk | null) {
    this.k = k;
    this.#disk = disk;
    this.seed = seed;
    seed_random(k, seed);
  }

  /** Below `ceil`. */
  chance(ceil: number): number {
    return prandom_u32_max(this.k, ceil);
  }

  /** A file that holds what the disk came with. */
  open(pages: number): KnownFile {
    const disk = this.#disk;
    if (disk === null) throw new KernelBug('kernel BUG: a workload has no disk for its files');
    const first = this.#disk_page;
    this.#disk_page += pages;
    const f = openFile(this.k, disk, first << PAGE_SECTORS_SHIFT, pages * PAGE_SIZE);
    return { f, keys: Int32Array.from({ length: pages }, (_, page) => disk_page_key(this.seed, first + page)) };
  }

  /** Somebody who is no task. */
  actor(name: string): Actor {
    const actor = new Actor(this, name, this.actors.length + 1);
    this.actors.push(actor);
    this.nr_running++;
    return actor;
  }

  /** Somebody for whom there is not even a place. */
  not_begun(name: string, why: string): void {
    this.end(this.actor(name), why);
  }

  /** Starts a process. Context: a task runs. */
  *start(name: string, body: (actor: Actor) => Sleeping<void>, make: MakeProcess = spawn_process): Sleeping<Actor> {
    const actor = this.actor(name);
    const task = yield* make(this.k, name, () => body(actor));
    if (typeof task === 'number') {
      this.end(actor, task === -EINTR ? 'not begun: its parent was killed' : 'no memory to begin with');
      return actor;
    }
    actor.task = task;
    task.exit_work.push(() => this.#ended(actor));
    return actor;
  }

  /** Its memory is gone by then; what it has taken for the kernel goes back, as when a device is closed. */
  *#ended(actor: Actor): Sleeping<void> {
    const { exit_code, oom_victim } = actor.task!;
    if (exit_code === 0) this.end(actor, 'finished');
    else if (oom_victim) this.end(actor, 'killed by the OOM killer');
    else if (exit_code === EXIT_FAILURE) this.end(actor, 'gave up: its memory could not be mapped');
    else if (exit_code === SIGKILL) this.end(actor, 'killed');
    else this.end(actor, exit_code === SIGBUS ? 'killed (SIGBUS)' : 'killed (SIGSEGV)');
    yield* cond_resched(this.k);
  }

  end(actor: Actor, state: string): void {
    for (const block of this.blocks.values()) if (block.actor === actor) this.give(block);
    actor.state = state;
    this.nr_running--;
  }

  /** Notes a block that the kernel has taken, and writes to it. */
  took(actor: Actor, pfn: pfn_t, order: number): KernelBlock {
    const block = { actor, pfn, order, key: page_key(this.seed, actor.id, pfn, 0) };
    for (let n = 0; n < 1 << order; n++)
      fill_page(page_words(this.k, pfn + n), page_word_index(pfn + n), block.key + n);
    this.blocks.set(pfn, block);
    actor.written += 1 << order;
    return block;
  }

  /** Gives it back, after a look at what it holds. */
  give({ actor, pfn, order, key }: KernelBlock): void {
    for (let n = 0; n < 1 << order; n++) actor.compare(pfn + n, key + n, `page ${n} of a block of order ${order}`);
    this.blocks.delete(pfn);
    __free_pages(this.k, pfn, order);
  }
}
