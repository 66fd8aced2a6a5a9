// Pages on their way to disks and back (Linux: block/blk-core.c submit_bio(), blk_start_plug(); block/blk-merge.c
// blk_attempt_plug_merge(); block/blk-mq.c). A bio is one page. Under a plug bios that follow each other on the disk become
// one request, which goes to the driver when the plug is pulled, or when its task goes to sleep.
//
// Up to 256 requests are under way at a disk; more wait here for a tag.
//
// Left out: schedulers, merging in front of a request, flushes, discards. Differs from Linux: the bios of a request have one
// function that is called for each when it is done, and a task that a full disk would keep waiting asks blk_queue_full().

import { EIO, type pfn_t } from '../../include/types.ts';
import { PGPGIN, PGPGOUT } from '../../include/vm_event_item.ts';
import type { Kernel } from '../../kernel.ts';
import { pr_err, pr_info } from '../../lib/printk.ts';
import { __ratelimit } from '../../lib/ratelimit.ts';
import { __count_vm_events } from '../../mm/vm_event.ts';
import { charge } from '../../sched/clock.ts';
import type { Sleeping } from '../../sched/sleeping.ts';
import { wait_event, wait_queue_head, waitqueue_active, wake_up_all } from '../../sched/wait.ts';
import type { gendisk } from './disk.ts';

/** Sectors of a page, as a shift. */
export const PAGE_SECTORS_SHIFT = 3;
export const PAGE_SECTORS = 1 << PAGE_SECTORS_SHIFT;

// enum req_op and the flags above it (include/linux/blk_types.h).
export const REQ_OP_READ = 0;
export const REQ_OP_WRITE = 1;
const REQ_OP_MASK = 0xff;
const REQ_SYNC = 1 << 11;
export const REQ_RAHEAD = 1 << 19;
export const REQ_SWAP = 1 << 25;

/** Best effort: the class of a task that never asked for another. */
const IOPRIO_CLASS_BE = 2;

/** What it costs a CPU to submit a page. */
const SUBMIT_NS = 1000;

/** Pages of a request: QEMU's virtio-blk says so (seg_max). */
const MAX_SEGMENTS = 254;
/** A plug is pulled when it has so many requests, or when one more is added to one of so many pages. */
const BLK_MAX_REQUEST_COUNT = 32;
const BLK_PLUG_FLUSH_PAGES = 32;

/** @param error 0 or -errno. Context: interrupt */
export type bio_end_io = (k: Kernel, disk: gendisk, sector: number, pfn: pfn_t, error: number) => void;

const none: bio_end_io = () => {};

/** Pages that follow each other on a disk. One that is done serves again. */
export class request {
  disk: gendisk;
  opf = 0;
  sector = 0;
  end_io = none;
  nr_pages = 0;
  readonly pages = new Int32Array(MAX_SEGMENTS);

  constructor(disk: gendisk) {
    this.disk = disk;
  }
}

const op_of = ({ opf }: request): number => opf & REQ_OP_MASK;
export const is_read = (rq: request): boolean => op_of(rq) === REQ_OP_READ;

// ---- plugs

/** What a task has submitted since blk_start_plug(). */
export class blk_plug {
  readonly requests: request[] = [];
}

/** From now on what this task submits is collected. @returns null: it is already */
export function blk_start_plug({ current }: Kernel): blk_plug | null {
  if (current.plug !== null) return null;
  current.plug = new blk_plug();
  return current.plug;
}

/** @param plug what blk_start_plug() has returned */
export function blk_finish_plug(k: Kernel, plug: blk_plug | null): void {
  if (plug === null) return;
  blk_flush_plug(k, plug);
  k.current.plug = null;
}

export function blk_flush_plug(k: Kernel, { requests }: blk_plug): void {
  for (const rq of requests) start_request(k, rq);
  requests.length = 0;
}

/** Puts the page behind the last request's, if that is where it belongs. */
function blk_attempt_plug_merge(
  { requests }: blk_plug,
  disk: gendisk,
  opf: number,
  sector: number,
  pfn: pfn_t,
  end_io: bio_end_io,
): boolean {
  const rq = requests[requests.length - 1];
  if (rq === undefined || rq.disk !== disk || rq.opf !== opf || rq.end_io !== end_io) return false;
  if (rq.sector + rq.nr_pages * PAGE_SECTORS !== sector || rq.nr_pages === MAX_SEGMENTS) return false;
  rq.pages[rq.nr_pages++] = pfn;
  return true;
}

function blk_add_rq_to_plug(k: Kernel, plug: blk_plug, rq: request): void {
  const { requests } = plug;
  const full = requests.length >= BLK_MAX_REQUEST_COUNT;
  if (full || (requests[requests.length - 1]?.nr_pages ?? 0) >= BLK_PLUG_FLUSH_PAGES) blk_flush_plug(k, plug);
  requests.push(rq);
}

// ---- requests

/** Submits a page. It never fails here: `end_io` is told. */
export function submit_bio(
  k: Kernel,
  disk: gendisk,
  opf: number,
  sector: number,
  pfn: pfn_t,
  end_io: bio_end_io,
): void {
  charge(k, SUBMIT_NS);
  __count_vm_events(k, (opf & REQ_OP_MASK) === REQ_OP_READ ? PGPGIN : PGPGOUT, PAGE_SECTORS);
  if (sector + PAGE_SECTORS > disk.sectors) {
    bio_check_eod(k, disk, opf, sector);
    end_io(k, disk, sector, pfn, -EIO);
    return;
  }
  const { plug } = k.current;
  if (plug !== null && blk_attempt_plug_merge(plug, disk, opf, sector, pfn, end_io)) return;
  const rq = k.block.free_requests.pop() ?? new request(disk);
  rq.disk = disk;
  rq.opf = opf;
  rq.sector = sector;
  rq.end_io = end_io;
  rq.pages[0] = pfn;
  rq.nr_pages = 1;
  if (plug === null) start_request(k, rq);
  else blk_add_rq_to_plug(k, plug, rq);
}

function bio_check_eod(k: Kernel, disk: gendisk, opf: number, sector: number): void {
  if (!__ratelimit(k, disk.eod_rs, 'bio_check_eod')) return;
  pr_info(k, `${k.current.comm}: attempt to access beyond end of device`);
  pr_info(k, `${disk.name}: rw=${opf}, sector=${sector}, nr_sectors = ${PAGE_SECTORS} limit=${disk.sectors}`);
}

/** Gives it to the driver, or has it wait for a tag. */
function start_request(k: Kernel, rq: request): void {
  const { disk } = rq;
  if (disk.nr_free_tags === 0) disk.waiting.push(rq);
  else issue(k, rq);
}

function issue(k: Kernel, rq: request): void {
  const { disk } = rq;
  const tag = disk.free_tags[--disk.nr_free_tags]!;
  disk.requests[tag] = rq;
  disk.queue_rq(k, disk, rq, tag);
}

/** The driver says that the request of this tag is done. @param error 0 or -errno */
export function blk_mq_end_request(k: Kernel, disk: gendisk, tag: number, error: number): void {
  const rq = disk.requests[tag]!;
  const { pages, nr_pages, sector, end_io } = rq;
  if (error !== 0) blk_print_req_error(k, rq);
  disk.free_tags[disk.nr_free_tags++] = tag;
  for (let n = 0; n < nr_pages; n++) end_io(k, disk, sector + n * PAGE_SECTORS, pages[n]!, error);
  rq.end_io = none;
  k.block.free_requests.push(rq);
}

/** Tags may have come free: for requests that wait for one, and for tasks. */
export function blk_mq_run_hw_queue(k: Kernel, disk: gendisk): void {
  const { waiting } = disk;
  while (disk.next_waiting < waiting.length && disk.nr_free_tags > 0) issue(k, waiting[disk.next_waiting++]!);
  if (disk.next_waiting === waiting.length) {
    waiting.length = 0;
    disk.next_waiting = 0;
  }
  if (disk.nr_free_tags > 0 && waitqueue_active(disk.tag_wait)) wake_up_all(k, disk.tag_wait);
}

function blk_print_req_error(k: Kernel, rq: request): void {
  const { disk, opf, sector, nr_pages } = rq;
  if (!__ratelimit(k, disk.error_rs, 'blk_print_req_error')) return;
  const what = `sector ${sector} op 0x${op_of(rq).toString(16)}:(${is_read(rq) ? 'READ' : 'WRITE'})`;
  const flags = `flags 0x${(opf & ~REQ_OP_MASK).toString(16)} phys_seg ${nr_pages} prio class ${IOPRIO_CLASS_BE}`;
  pr_err(k, `I/O error, dev ${disk.name}, ${what} ${flags}`);
}

/** Every tag is in use: who submits more only lengthens the queue, and should wait first if he can. */
export const blk_queue_full = (disk: gendisk): boolean => disk.nr_free_tags === 0;

/** Linux: blk_mq_get_tag(), which submit_bio() waits in. Here the submitter does, as he is a plain function. */
export function* blk_wait_for_tag(k: Kernel, disk: gendisk): Sleeping<void> {
  yield* wait_event(k, disk.tag_wait, () => disk.nr_free_tags > 0);
}

/** Submits a page and waits until it is done. @returns 0 or -errno */
export function* submit_bio_wait(k: Kernel, disk: gendisk, opf: number, sector: number, pfn: pfn_t): Sleeping<number> {
  const queue = new wait_queue_head();
  let result = 1;
  const done: bio_end_io = (kernel, _disk, _sector, _pfn, error) => {
    result = error;
    wake_up_all(kernel, queue);
  };
  submit_bio(k, disk, opf | REQ_SYNC, sector, pfn, done);
  yield* wait_event(k, queue, () => result <= 0);
  return result;
}
