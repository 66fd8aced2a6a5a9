// The machine's disks, and the way of a request to them and back (Linux: block/blk-core.c submit_bio(), block/blk-mq.c;
// a driver like drivers/block/virtio_blk.c). Up to 256 requests are under way at a disk; more wait here for a tag.
//
// A request is no object: whoever submits one says which function to call when it is done, and hands it a page and a
// number. The disk has no interrupt line: a timer goes off when it says that something will be done.
//
// Left out: merging and plugging (the disk takes single pages at no loss), partitions, flushes, discards.

import { EIO, NUMA_NO_NODE, type nid_t, PAGE_SHIFT, type pfn_t } from '../../include/types.ts';
import { PGPGIN, PGPGOUT } from '../../include/vm_event_item.ts';
import type { Kernel } from '../../kernel.ts';
import { pr_err, pr_info } from '../../lib/printk.ts';
import { __ratelimit, RatelimitState } from '../../lib/ratelimit.ts';
import { __count_vm_events } from '../../mm/vm_event.ts';
import { charge, ktime_get } from '../../sched/clock.ts';
import type { Sleeping } from '../../sched/sleeping.ts';
import { call_at } from '../../sched/timer.ts';
import { wait_event, wait_queue_head, waitqueue_active, wake_up_all } from '../../sched/wait.ts';

/** Sectors of a page, as a shift. */
export const PAGE_SECTORS_SHIFT = 3;

// Where disks are, and their registers: emu/devices/disk.ts has what they mean.
const DISK_BASE = 0xd000;
const DISK_PORTS = 0x40;
const MAX_DISKS = 8;
const ID = 0x00;
const SECTORS_LO = 0x04;
const SECTORS_HI = 0x08;
const FEATURES = 0x0c;
const SECTOR_LO = 0x10;
const SECTOR_HI = 0x14;
const ADDRESS_LO = 0x18;
const ADDRESS_HI = 0x1c;
const COUNT = 0x20;
const COMMAND = 0x24;
const TIME_LO = 0x28;
const TIME_HI = 0x2c;
const DONE = 0x30;
const NEXT_LO = 0x34;
const NEXT_HI = 0x38;
const FAULT = 0x3c;
const DISK_ID = 0x4b534944;
const FEATURE_ROTATIONAL = 1;
const CMD_READ = 1;
const CMD_WRITE = 2;
const NEVER = 0xffffffff;
const TWO_32 = 2 ** 32;

// enum req_op and the flags above it (include/linux/blk_types.h).
export const REQ_OP_READ = 0;
export const REQ_OP_WRITE = 1;
const REQ_OP_MASK = 0xff;
export const REQ_SYNC = 1 << 11;
export const REQ_RAHEAD = 1 << 19;
export const REQ_SWAP = 1 << 25;

/** Best effort: the class of a task that never asked for another. */
const IOPRIO_CLASS_BE = 2;

/** What it costs a CPU to submit a request. */
const SUBMIT_NS = 1000;

/** @param error 0 or -errno. Context: interrupt */
export type bio_end_io = (k: Kernel, disk: gendisk, sector: number, pfn: pfn_t, error: number, data: number) => void;

/** A request that has no tag yet. */
interface waiting_bio {
  readonly opf: number;
  readonly sector: number;
  readonly nr_sectors: number;
  readonly pfn: pfn_t;
  readonly end_io: bio_end_io;
  readonly data: number;
}

const none: bio_end_io = () => {};

export class gendisk {
  readonly name: string;
  readonly index: number;
  readonly port: number;
  readonly sectors: number;
  /** Seeks are cheap. Linux: bdev_nonrot(). */
  readonly nonrot: boolean;
  readonly nid: nid_t = NUMA_NO_NODE;
  /** Whoever has the disk for itself. */
  holder: object | null = null;

  // Requests under way, by tag.
  readonly opf: Int32Array;
  readonly sector: Float64Array;
  readonly nr_sectors: Uint32Array;
  readonly pfn: Float64Array;
  readonly data: Float64Array;
  readonly end_io: bio_end_io[];
  readonly free_tags: Int32Array;
  nr_free_tags: number;
  /** Those for which there is no tag, in order: waiting[next_waiting] is the first. */
  readonly waiting: waiting_bio[] = [];
  next_waiting = 0;
  readonly tag_wait = new wait_queue_head();
  /** What the registers of these names hold: they rarely change. */
  sector_hi = 0;
  address_hi = 0;
  count = 0;
  /** For when the timer is set; Infinity: it is not. */
  timer_at = Number.POSITIVE_INFINITY;
  readonly interrupt = (k: Kernel): void => disk_interrupt(k, this);
  readonly error_rs = new RatelimitState(5e9, 10);
  readonly eod_rs = new RatelimitState(5e9, 10);

  constructor(index: number, port: number, sectors: number, nonrot: boolean, nr_tags: number) {
    this.index = index;
    this.name = `vd${String.fromCharCode(97 + index)}`;
    this.port = port;
    this.sectors = sectors;
    this.nonrot = nonrot;
    this.opf = new Int32Array(nr_tags);
    this.sector = new Float64Array(nr_tags);
    this.nr_sectors = new Uint32Array(nr_tags);
    this.pfn = new Float64Array(nr_tags);
    this.data = new Float64Array(nr_tags);
    this.end_io = new Array<bio_end_io>(nr_tags).fill(none);
    this.free_tags = Int32Array.from({ length: nr_tags }, (_, n) => nr_tags - 1 - n);
    this.nr_free_tags = nr_tags;
  }
}

export class BlockState {
  readonly disks: gendisk[] = [];
}

/** Finds the disks. They are called vda and so on, as a virtual machine's are. */
export function disk_init(k: Kernel): void {
  const { ports } = k.hw;
  for (let n = 0; n < MAX_DISKS; n++) {
    const port = DISK_BASE + n * DISK_PORTS;
    if (ports.inl(port + ID) !== DISK_ID) continue;
    const sectors = ports.inl(port + SECTORS_LO) + ports.inl(port + SECTORS_HI) * TWO_32;
    const features = ports.inl(port + FEATURES);
    const nonrot = (features & FEATURE_ROTATIONAL) === 0;
    const disk = new gendisk(n, port, sectors, nonrot, features >>> 16);
    k.block.disks.push(disk);
    pr_info(k, `pgdat: ${disk.name}: ${sectors} 512-byte logical blocks, ${nonrot ? 'solid state' : 'rotating'}`);
  }
}

/** The major number that the first driver without one of its own gets, and minor numbers for 15 partitions each. */
export const disk_devt = ({ index }: { readonly index: number }): string => `254:${index * 16}`;

/** The disk of a device file, such as /dev/vda. */
export const lookup_disk = (k: Kernel, path: string): gendisk | null =>
  k.block.disks.find(({ name }) => path === `/dev/${name}`) ?? null;

/** Faults from now on: reads and writes of a million that fail, requests of a million that stall, and for how long. */
export function disk_inject(
  k: Kernel,
  disk: gendisk,
  faults: { read?: number; write?: number; stall?: number; stall_us?: number },
): void {
  const { read, write, stall, stall_us } = faults;
  for (const [kind, value] of [read, write, stall, stall_us].entries()) {
    if (value !== undefined) k.hw.ports.outl(disk.port + FAULT, (((kind + 1) << 28) | value) >>> 0);
  }
}

/** Submits a request for pages that follow each other from `pfn` on. It never fails here: `end_io` is told. */
export function submit_bio(
  k: Kernel,
  disk: gendisk,
  opf: number,
  sector: number,
  nr_sectors: number,
  pfn: pfn_t,
  end_io: bio_end_io,
  data: number,
): void {
  charge(k, SUBMIT_NS);
  __count_vm_events(k, (opf & REQ_OP_MASK) === REQ_OP_READ ? PGPGIN : PGPGOUT, nr_sectors);
  if (sector + nr_sectors > disk.sectors) {
    bio_check_eod(k, disk, opf, sector, nr_sectors);
    end_io(k, disk, sector, pfn, -EIO, data);
  } else if (disk.nr_free_tags === 0) disk.waiting.push({ opf, sector, nr_sectors, pfn, end_io, data });
  else issue(k, disk, opf, sector, nr_sectors, pfn, end_io, data);
}

function bio_check_eod(k: Kernel, disk: gendisk, opf: number, sector: number, nr_sectors: number): void {
  if (!__ratelimit(k, disk.eod_rs, 'bio_check_eod')) return;
  pr_info(k, `${k.current.comm}: attempt to access beyond end of device`);
  pr_info(k, `${disk.name}: rw=${opf}, sector=${sector}, nr_sectors = ${nr_sectors} limit=${disk.sectors}`);
}

function issue(
  k: Kernel,
  disk: gendisk,
  opf: number,
  sector: number,
  nr_sectors: number,
  pfn: pfn_t,
  end_io: bio_end_io,
  data: number,
): void {
  const { ports } = k.hw;
  const { port } = disk;
  const tag = disk.free_tags[--disk.nr_free_tags]!;
  disk.opf[tag] = opf;
  disk.sector[tag] = sector;
  disk.nr_sectors[tag] = nr_sectors;
  disk.pfn[tag] = pfn;
  disk.data[tag] = data;
  disk.end_io[tag] = end_io;
  set64(k, port + TIME_LO, port + TIME_HI, ktime_get(k));
  const sector_hi = Math.floor(sector / TWO_32);
  const address_hi = pfn >>> (32 - PAGE_SHIFT);
  if (sector_hi !== disk.sector_hi || address_hi !== disk.address_hi) {
    disk.sector_hi = sector_hi;
    disk.address_hi = address_hi;
    ports.outl(port + SECTOR_HI, sector_hi);
    ports.outl(port + ADDRESS_HI, address_hi);
  }
  ports.outl(port + SECTOR_LO, sector % TWO_32);
  ports.outl(port + ADDRESS_LO, (pfn << PAGE_SHIFT) >>> 0);
  if (nr_sectors !== disk.count) {
    disk.count = nr_sectors;
    ports.outl(port + COUNT, nr_sectors);
  }
  ports.outl(port + COMMAND, ((opf & REQ_OP_MASK) === REQ_OP_READ ? CMD_READ : CMD_WRITE) | (tag << 8));
  set_timer(k, disk);
}

function set64(k: Kernel, lo: number, hi: number, value: number): void {
  k.hw.ports.outl(lo, value % TWO_32);
  k.hw.ports.outl(hi, Math.floor(value / TWO_32));
}

/** Has the timer go off at the disk's next completion. */
function set_timer(k: Kernel, disk: gendisk): void {
  const lo = k.hw.ports.inl(disk.port + NEXT_LO);
  const hi = k.hw.ports.inl(disk.port + NEXT_HI);
  if (lo === NEVER && hi === NEVER) return;
  const next = lo + hi * TWO_32;
  if (next >= disk.timer_at) return;
  disk.timer_at = next;
  call_at(k, next, disk.interrupt);
}

/** A timer that was set for a later time, before one for an earlier, goes off as well, and finds nothing to do. */
function disk_interrupt(k: Kernel, disk: gendisk): void {
  const { port } = disk;
  const { ports } = k.hw;
  const now = ktime_get(k);
  if (now >= disk.timer_at) disk.timer_at = Number.POSITIVE_INFINITY;
  set64(k, port + TIME_LO, port + TIME_HI, now);
  for (let done = ports.inl(port + DONE); done !== 0; done = ports.inl(port + DONE)) {
    complete_request(k, disk, (done >>> 8) & 0xff, (done & 0xff) === 0 ? 0 : -EIO);
  }
  start_waiting(k, disk);
  if (disk.nr_free_tags > 0 && waitqueue_active(disk.tag_wait)) wake_up_all(k, disk.tag_wait);
  set_timer(k, disk);
}

function complete_request(k: Kernel, disk: gendisk, tag: number, error: number): void {
  const end_io = disk.end_io[tag]!;
  if (error !== 0) blk_print_req_error(k, disk, tag);
  disk.end_io[tag] = none;
  disk.free_tags[disk.nr_free_tags++] = tag;
  end_io(k, disk, disk.sector[tag]!, disk.pfn[tag]!, error, disk.data[tag]!);
}

function start_waiting(k: Kernel, disk: gendisk): void {
  const { waiting } = disk;
  while (disk.next_waiting < waiting.length && disk.nr_free_tags > 0) {
    const { opf, sector, nr_sectors, pfn, end_io, data } = waiting[disk.next_waiting++]!;
    issue(k, disk, opf, sector, nr_sectors, pfn, end_io, data);
  }
  if (disk.next_waiting < waiting.length) return;
  waiting.length = 0;
  disk.next_waiting = 0;
}

function blk_print_req_error(k: Kernel, disk: gendisk, tag: number): void {
  if (!__ratelimit(k, disk.error_rs, 'blk_print_req_error')) return;
  const opf = disk.opf[tag]!;
  const op = opf & REQ_OP_MASK;
  const what = `sector ${disk.sector[tag]} op 0x${op.toString(16)}:(${op === REQ_OP_READ ? 'READ' : 'WRITE'})`;
  const flags = `flags 0x${(opf & ~REQ_OP_MASK).toString(16)} phys_seg 1 prio class ${IOPRIO_CLASS_BE}`;
  pr_err(k, `I/O error, dev ${disk.name}, ${what} ${flags}`);
}

/** Every tag is in use: who submits more only lengthens the queue, and should wait first if he can. */
export const blk_queue_full = (disk: gendisk): boolean => disk.nr_free_tags === 0;

/** Linux: blk_mq_get_tag(), which submit_bio() waits in. Here the submitter does, as he is a plain function. */
export function* blk_wait_for_tag(k: Kernel, disk: gendisk): Sleeping<void> {
  yield* wait_event(k, disk.tag_wait, () => disk.nr_free_tags > 0);
}

/** Submits a request and waits until it is done. @returns 0 or -errno */
export function* submit_bio_wait(
  k: Kernel,
  disk: gendisk,
  opf: number,
  sector: number,
  nr_sectors: number,
  pfn: pfn_t,
): Sleeping<number> {
  const queue = new wait_queue_head();
  let result = 1;
  const done: bio_end_io = (kernel, _disk, _sector, _pfn, error) => {
    result = error;
    wake_up_all(kernel, queue);
  };
  submit_bio(k, disk, opf | REQ_SYNC, sector, nr_sectors, pfn, done, 0);
  yield* wait_event(k, queue, () => result <= 0);
  return result;
}
