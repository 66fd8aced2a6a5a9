// A task of pressure_model.ts: what it does by chance, and what its memory has to hold.

import {
  __GFP_COMP,
  __GFP_DMA,
  __GFP_NOFAIL,
  __GFP_NORETRY,
  __GFP_NOWARN,
  __GFP_RECLAIMABLE,
  __GFP_RETRY_MAYFAIL,
  __GFP_ZERO,
  GFP_ATOMIC,
  GFP_KERNEL,
  GFP_KERNEL_ACCOUNT,
  GFP_NOFS,
  GFP_NOIO,
  GFP_NOWAIT,
  GFP_USER,
} from '../../kernel/include/gfp_types.ts';
import {
  MPOL_BIND,
  MPOL_DEFAULT,
  MPOL_INTERLEAVE,
  MPOL_PREFERRED,
  MPOL_PREFERRED_MANY,
} from '../../kernel/include/mempolicy.ts';
import { VM_LOCKED, VM_READ, VM_SHARED, VM_WRITE } from '../../kernel/include/mm.ts';
import { EFAULT, EINVAL, EIO, ENOMEM, PAGE_SIZE } from '../../kernel/include/types.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { nodemask_of_node, nodes_none, nodes_or } from '../../kernel/lib/nodemask.ts';
import { filemap_read, filemap_write_and_wait, generic_perform_write } from '../../kernel/mm/filemap_io.ts';
import { fork_process } from '../../kernel/mm/fork_mm.ts';
import { alloc_pages_task } from '../../kernel/mm/mempolicy.ts';
import { set_mempolicy } from '../../kernel/mm/mempolicy_set.ts';
import { vm_mmap, vm_mmap_file, vm_munmap } from '../../kernel/mm/mmap.ts';
import { __free_pages } from '../../kernel/mm/page_alloc.ts';
import { user_access } from '../../kernel/mm/uaccess.ts';
import { page_word_index, page_words } from '../../kernel/mm/user_pgtable.ts';
import { cond_resched } from '../../kernel/sched/core.ts';
import { exit_to_user_mode } from '../../kernel/sched/fork.ts';
import type { Sleeping } from '../../kernel/sched/sleeping.ts';
import type { task_struct } from '../../kernel/sched/task.ts';
import { msleep } from '../../kernel/sched/timeout.ts';
import { made_progress } from '../../kernel/sched/watchdog.ts';
import { check_page, fill_page } from '../../kernel/workloads/contents.ts';
import type { ModelFile } from './pressure_files.ts';
import type { KeyedBlock, PressureModel } from './pressure_model.ts';

const UNMAPPED = -1;
const MAX_BLOCKS = 24;
const BURST = 64;
const MAX_LOCKED = 32;

const masks = [
  GFP_KERNEL,
  GFP_KERNEL,
  GFP_USER,
  GFP_ATOMIC,
  GFP_NOWAIT,
  GFP_NOFS,
  GFP_NOIO,
  GFP_KERNEL | __GFP_NORETRY,
  GFP_KERNEL | __GFP_RETRY_MAYFAIL,
  GFP_KERNEL | __GFP_RECLAIMABLE,
  GFP_KERNEL | __GFP_ZERO,
  GFP_KERNEL | __GFP_DMA,
  GFP_KERNEL_ACCOUNT,
];

const policies = [MPOL_DEFAULT, MPOL_PREFERRED, MPOL_BIND, MPOL_INTERLEAVE, MPOL_PREFERRED_MANY];

interface Region {
  readonly start: number;
  /** Of anonymous memory, by page: a key, 0 for zeroes, or UNMAPPED. */
  readonly keys: Int32Array;
  /** null: anonymous. */
  readonly file: ModelFile | null;
}

export class PressureTask {
  readonly name: string;
  readonly #model: PressureModel;
  readonly #k: Kernel;
  #regions: Region[] = [];
  #blocks: KeyedBlock[] = [];
  /** Of a file, while it is being read or written. */
  #busy: { file: ModelFile; page: number } | null = null;

  constructor(model: PressureModel) {
    this.#model = model;
    this.#k = model.k;
    this.name = `task${model.next_task()}`;
  }

  started(task: task_struct): void {
    this.#model.nr_running++;
    const end = this.#end.bind(this, task);
    task.exit_work.push(end);
  }

  /** What the kernel has for it goes when it ends, however that comes. */
  *#end(task: task_struct): Sleeping<void> {
    this.#release();
    for (const block of this.#blocks.splice(0)) this.#free(block);
    this.#model.nr_running--;
    if (task.exit_code !== 0) this.#model.told['killed']!++;
    yield* cond_resched(this.#k);
  }

  *body(): Sleeping<void> {
    const model = this.#model;
    yield* this.#map();
    while (model.more()) {
      yield* this.#step(model.chance(1000));
      made_progress(this.#k);
      yield* exit_to_user_mode(this.#k);
      yield* cond_resched(this.#k);
      if (model.chance(6000) === 0) return;
    }
  }

  *#step(what: number): Sleeping<void> {
    const model = this.#model;
    if (what < 12) yield* this.#map();
    else if (what < 20) yield* this.#unmap();
    else if (what < 24) yield* this.#fork();
    else if (what < 26) yield* this.#map_file();
    else if (what < 90) yield* this.#block();
    else if (what < 150) this.#give_back();
    else if (what < 250) yield* this.#read_file();
    else if (what < 320) yield* this.#write_file();
    else if (what < 322) yield* this.#sync();
    else if (what < 324) this.#policy();
    else if (what < 330) yield* msleep(this.#k, model.chance(4));
    else if (what < 350) yield* this.#burst(true);
    else if (what < 360) yield* this.#burst(false);
    else yield* this.#touch(this.#any_region(), -1, what < 700);
  }

  #wrong(text: string): void {
    this.#model.wrong.push(`${this.name}: ${text}`);
  }

  #any_region(): Region | undefined {
    return this.#regions[this.#model.chance(this.#regions.length)];
  }

  // ---- memory of its own

  *#map(): Sleeping<void> {
    const model = this.#model;
    if (this.#regions.length >= 4) return;
    const locked = model.chance(8) === 0;
    const pages = 1 + model.chance(locked ? MAX_LOCKED : model.share * 2);
    const flags = VM_READ | VM_WRITE | (locked ? VM_LOCKED : 0);
    const start = yield* vm_mmap(this.#k, this.#k.current.mm!, 0, pages * PAGE_SIZE, flags);
    if (start < 0) this.#wrong(`mmap: ${start}`);
    else this.#regions.push({ start, keys: new Int32Array(pages), file: null });
  }

  /** All of an area, or a piece of one. */
  *#unmap(): Sleeping<void> {
    const model = this.#model;
    const at = model.chance(this.#regions.length);
    const region = this.#regions[at];
    if (region === undefined || model.chance(3) > 0) return;
    const pages = region.keys.length;
    const whole = region.file !== null || model.chance(2) === 0;
    const first = whole ? 0 : model.chance(pages);
    const count = whole ? pages : 1 + model.chance(pages - first);
    const { start, keys, file } = region;
    const rest = whole ? [] : [this.#part(region, 0, first), this.#part(region, first + count, pages)];
    this.#regions.splice(at, 1, ...rest.filter((part) => part.keys.length > 0));
    const error = yield* vm_munmap(this.#k, this.#k.current.mm!, start + first * PAGE_SIZE, count * PAGE_SIZE);
    if (error !== 0) this.#wrong(`munmap: ${error}`);
    const gone = { start: start + first * PAGE_SIZE, keys: keys.slice(first, first + count).fill(UNMAPPED), file };
    if (file === null) yield* this.#touch(gone, -1, model.chance(2) === 0);
  }

  #part({ start, keys }: Region, from: number, to: number): Region {
    return { start: start + from * PAGE_SIZE, keys: keys.slice(from, to), file: null };
  }

  *#fork(): Sleeping<void> {
    const model = this.#model;
    if (model.crowded || model.enough) return;
    const child = new PressureTask(model);
    child.#regions = this.#regions.map(({ start, keys, file }) => ({ start, keys: keys.slice(), file }));
    const task = yield* fork_process(this.#k, child.name, () => child.body());
    if (typeof task === 'number') model.told['no process']!++;
    else child.started(task);
  }

  *#burst(write: boolean): Sleeping<void> {
    const region = this.#any_region();
    if (region === undefined) return;
    const first = this.#model.chance(region.keys.length);
    const end = Math.min(region.keys.length, first + BURST);
    for (let page = first; page < end && this.#model.more(); page++) yield* this.#touch(region, page, write);
  }

  /** @param page -1: most of the time one of few, else any */
  *#touch(region: Region | undefined, page: number, write: boolean): Sleeping<void> {
    if (region === undefined) return;
    const model = this.#model;
    const pages = region.keys.length;
    if (page < 0) page = model.chance(model.chance(4) > 0 ? Math.ceil(pages / 8) : pages);
    const { file } = region;
    if (file !== null && !this.#claim(file, page)) return;
    const pa = yield* user_access(this.#k, this.#k.current.mm!, region.start + page * PAGE_SIZE, write);
    const wanted = region.keys[page]!;
    if (pa < 0) this.#refused(pa, wanted === UNMAPPED);
    else if (wanted === UNMAPPED) this.#wrong('memory that is not mapped can be accessed');
    else {
      const words = page_words(this.#k, pa / PAGE_SIZE);
      const at = page_word_index(pa / PAGE_SIZE);
      if (write) {
        const key = model.next_key();
        fill_page(words, at, key);
        if (file === null) region.keys[page] = key;
        else file.wrote(page, key);
      } else if (file !== null) this.#report(file.check(page, words, at));
      else if (check_page(words, at, wanted) >= 0) this.#wrong(`page ${page} does not hold what was written to it`);
    }
    this.#release();
  }

  #report(text: string | null): void {
    if (text !== null) this.#wrong(text);
  }

  #refused(error: number, unmapped: boolean): void {
    const { told, spec } = this.#model;
    if (error === -EIO && spec.faults.read > 0) told['SIGBUS']!++;
    else if (error !== -EFAULT || !unmapped) this.#wrong(`access: ${error}`);
  }

  /** Where its pages come from, from now on. */
  #policy(): void {
    const { chance, spec } = this.#model;
    const mode = policies[chance.call(this.#model, policies.length)]!;
    const nodes = [0, 1].map(() => nodemask_of_node(this.#model.chance(spec.nodes)));
    const error = set_mempolicy(this.#k, mode, mode === MPOL_DEFAULT ? nodes_none() : nodes_or(nodes[0]!, nodes[1]!));
    // Nodes that its cpuset does not have.
    if (error !== 0 && error !== -EINVAL) this.#wrong(`set_mempolicy: ${error}`);
  }

  // ---- files

  #claim(file: ModelFile, page: number): boolean {
    if (file.busy.has(page)) return false;
    file.busy.add(page);
    this.#busy = { file, page };
    return true;
  }

  #release(): void {
    this.#busy?.file.busy.delete(this.#busy.page);
    this.#busy = null;
  }

  *#map_file(): Sleeping<void> {
    const model = this.#model;
    if (this.#regions.length >= 4) return;
    const file = model.files[model.chance(model.files.length)]!;
    const flags = VM_READ | VM_WRITE | VM_SHARED;
    const { mm } = this.#k.current;
    const start = yield* vm_mmap_file(this.#k, mm!, file.f, 0, file.pages * PAGE_SIZE, flags);
    if (start < 0) this.#wrong(`mmap: ${start}`);
    else this.#regions.push({ start, keys: new Int32Array(file.pages), file });
  }

  /** Some pages one after the other. */
  *#read_file(): Sleeping<void> {
    const model = this.#model;
    const file = model.files[model.chance(model.files.length)]!;
    const first = model.chance(file.pages);
    const end = Math.min(file.pages, first + 1 + model.chance(8));
    const bytes = new Uint8Array(PAGE_SIZE);
    const words = new Int32Array(bytes.buffer);
    for (let page = first; page < end; page++) {
      if (!this.#claim(file, page)) return;
      const got = yield* filemap_read(this.#k, file.f, page * PAGE_SIZE, bytes);
      if (got === PAGE_SIZE) this.#report(file.check(page, words, 0));
      else this.#failed('read', got);
      this.#release();
    }
  }

  *#write_file(): Sleeping<void> {
    const model = this.#model;
    const file = model.files[model.chance(model.files.length)]!;
    const page = model.chance(file.pages);
    if (!this.#claim(file, page)) return;
    const bytes = new Uint8Array(PAGE_SIZE);
    const key = model.next_key();
    fill_page(new Int32Array(bytes.buffer), 0, key);
    const got = yield* generic_perform_write(this.#k, file.f, page * PAGE_SIZE, bytes);
    if (got === PAGE_SIZE) file.wrote(page, key);
    else this.#failed('write', got);
    this.#release();
  }

  #failed(what: string, error: number): void {
    const { told, spec } = this.#model;
    if (error === -EIO && spec.faults.read > 0) told['EIO']!++;
    else if (error === -ENOMEM) told['ENOMEM']!++;
    else this.#wrong(`${what}: ${error}`);
  }

  *#sync(): Sleeping<void> {
    const model = this.#model;
    const file = model.files[model.chance(model.files.length)]!;
    const error = yield* filemap_write_and_wait(this.#k, file.f.f_inode.i_mapping);
    if (error === 0) return;
    file.errors++;
    model.told['EIO']!++;
    if (error !== -EIO || model.spec.faults.write === 0) this.#wrong(`fsync: ${error}`);
  }

  // ---- memory of the kernel

  *#block(): Sleeping<void> {
    const model = this.#model;
    if (this.#blocks.length >= MAX_BLOCKS) return;
    const order = model.chance(4) > 0 ? model.chance(3) : model.chance(model.chance(4) > 0 ? 5 : 8);
    let gfp = masks[model.chance(masks.length)]! | __GFP_NOWARN;
    if (order > 0 && model.chance(2) === 0) gfp |= __GFP_COMP;
    if (order <= 1 && gfp === (GFP_KERNEL | __GFP_NOWARN) && model.chance(4) === 0) gfp |= __GFP_NOFAIL;
    const pfn = yield* alloc_pages_task(this.#k, gfp, order);
    if (pfn < 0) {
      model.told['no block']!++;
      if ((gfp & __GFP_NOFAIL) !== 0) this.#wrong('__GFP_NOFAIL has failed');
      return;
    }
    const block = { pfn, order, key: model.next_key() };
    for (let n = 0; n < 1 << order; n++) {
      const words = page_words(this.#k, pfn + n);
      const at = page_word_index(pfn + n);
      if ((gfp & __GFP_ZERO) !== 0 && check_page(words, at, 0) >= 0) this.#wrong('__GFP_ZERO without zeroes');
      fill_page(words, at, block.key);
    }
    this.#blocks.push(block);
    model.blocks.set(pfn, block);
  }

  #give_back(): void {
    const [block] = this.#blocks.splice(this.#model.chance(this.#blocks.length), 1);
    if (block !== undefined) this.#free(block);
  }

  #free({ pfn, order, key }: KeyedBlock): void {
    for (let n = 0; n < 1 << order; n++) {
      if (check_page(page_words(this.#k, pfn + n), page_word_index(pfn + n), key) >= 0) {
        this.#wrong(`page ${n} of a block of order ${order} does not hold what was written to it`);
      }
    }
    this.#model.blocks.delete(pfn);
    __free_pages(this.#k, pfn, order);
  }
}
