// The machine's disks: how a request gets to one, and how its end is heard of (a driver like Linux's
// drivers/block/virtio_blk.c). What is a request: blk.ts.
//
// The disk has no interrupt line: a timer goes off when it says that something will be done.
//
// Left out: partitions.

import { EIO, NUMA_NO_NODE, type nid_t } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { pr_info } from '../../lib/printk.ts';
import { RatelimitState } from '../../lib/ratelimit.ts';
import { ktime_get } from '../../sched/clock.ts';
import { call_at } from '../../sched/timer.ts';
import { wait_queue_head } from '../../sched/wait.ts';
import { blk_mq_end_request, blk_mq_run_hw_queue, is_read, PAGE_SECTORS, type request } from './blk.ts';

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
const PAGE = 0x18;
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

  /** Of the driver: what it has to say is blk_mq_end_request(). */
  readonly queue_rq: (k: Kernel, disk: gendisk, rq: request, tag: number) => void = queue_rq;
  /** Under way, by tag. */
  readonly requests: request[] = [];
  readonly free_tags: Int32Array;
  nr_free_tags: number;
  /** Those for which there is no tag, in order: waiting[next_waiting] is the first. */
  readonly waiting: request[] = [];
  next_waiting = 0;
  readonly tag_wait = new wait_queue_head();
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
    this.free_tags = Int32Array.from({ length: nr_tags }, (_, n) => nr_tags - 1 - n);
    this.nr_free_tags = nr_tags;
  }
}

export class BlockState {
  readonly disks: gendisk[] = [];
  /** That are not in use. */
  readonly free_requests: request[] = [];
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

function queue_rq(k: Kernel, disk: gendisk, rq: request, tag: number): void {
  const { ports } = k.hw;
  const { port } = disk;
  const { pages, nr_pages } = rq;
  set64(k, port + TIME_LO, port + TIME_HI, ktime_get(k));
  set64(k, port + SECTOR_LO, port + SECTOR_HI, rq.sector);
  for (let n = 0; n < nr_pages; n++) ports.outl(port + PAGE, pages[n]!);
  ports.outl(port + COUNT, nr_pages * PAGE_SECTORS);
  ports.outl(port + COMMAND, (is_read(rq) ? CMD_READ : CMD_WRITE) | (tag << 8));
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
    blk_mq_end_request(k, disk, (done >>> 8) & 0xff, (done & 0xff) === 0 ? 0 : -EIO);
  }
  blk_mq_run_hw_queue(k, disk);
  set_timer(k, disk);
}
