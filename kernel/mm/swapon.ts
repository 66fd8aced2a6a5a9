// Switching a swap area on (Linux: mm/swapfile.c SYSCALL swapon(), read_swap_header(), setup_swap_map_and_extents()).
//
// Left out: areas in files, and so extents; discards; zswap, which Debian has but does not switch on.

import { for_each_possible_cpu } from '../arch/x86/cpu.ts';
import { PAGE_SECTORS_SHIFT, REQ_OP_READ, submit_bio_wait } from '../drivers/block/blk.ts';
import { type gendisk, lookup_disk } from '../drivers/block/disk.ts';
import { __GFP_HIGHMEM, __GFP_NOWARN, __GFP_ZERO, GFP_KERNEL } from '../include/gfp_types.ts';
import {
  MAX_SWAP_BADPAGES,
  MAX_SWAPFILES,
  SWAP_FLAG_PREFER,
  SWAP_FLAG_PRIO_MASK,
  SWAP_FLAGS_VALID,
  SWAP_MAGIC,
  SWAP_MAP_BAD,
  SWP_BLKDEV,
  SWP_SOLIDSTATE,
  SWP_USED,
  SWP_WRITEOK,
  swap_header,
} from '../include/swap.ts';
import {
  EBUSY,
  EINVAL,
  ENOENT,
  ENOMEM,
  EPERM,
  type gfp_t,
  PAGE_SHIFT,
  PAGE_SIZE,
  type phys_addr_t,
} from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { pr_err, pr_info, pr_warn } from '../lib/printk.ts';
import { prandom_u32_max } from '../lib/random.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { alloc_pages_task } from './mempolicy.ts';
import { __free_pages } from './page_alloc.ts';
import { add_to_active_list, add_to_avail_list } from './swap_avail.ts';
import { inc_cluster_info_page, list_free_clusters, swapfile_cluster } from './swap_cluster.ts';
import { swap_clusters, swap_info_struct } from './swap_info.ts';
import { enable_swap_slots_cache } from './swap_slots.ts';
import { warn_alloc } from './warn_alloc.ts';

const KIB_SHIFT = PAGE_SHIFT - 10;
/** arch_max_swapfile_size(): 50 bits of a page table entry, on a CPU that L1TF does not reach. */
const swapfile_maximum_size = 2 ** 50;
const UINT_MAX = 0xffffffff;
/** Owners of two bytes each: mm/swap_cgroup.c. */
const SC_PER_PAGE = PAGE_SIZE / 2;

function alloc_swap_info({ swap }: Kernel): swap_info_struct | null {
  const { swap_info } = swap;
  const free = swap_info.find(({ flags }) => (flags & SWP_USED) === 0);
  if (free === undefined && swap_info.length >= MAX_SWAPFILES) return null;
  const si = free ?? new swap_info_struct(swap_info.length);
  if (free === undefined) swap_info.push(si);
  si.flags = SWP_USED;
  return si;
}

const swab32 = (x: number): number => ((x << 24) | ((x & 0xff00) << 8) | ((x >>> 8) & 0xff00) | (x >>> 24)) >>> 0;

interface Header {
  readonly last_page: number;
  readonly badpages: readonly number[];
  readonly maxpages: number;
}

/** @returns null: it is none that can be used. Of either byte order */
function read_swap_header(k: Kernel, disk: gendisk, pa: phys_addr_t): Header | null {
  const { ram } = k.hw;
  const magic = ram.read(pa + swap_header.magic, SWAP_MAGIC.length);
  if (String.fromCharCode(...magic) !== SWAP_MAGIC) {
    pr_err(k, 'Unable to find swap-space signature');
    return null;
  }
  const swapped = swab32(ram.u32(pa + swap_header.version)) === 1;
  const field = (offset: number): number => (swapped ? swab32(ram.u32(pa + offset)) : ram.u32(pa + offset));
  const nr_badpages = field(swap_header.nr_badpages);
  if (swapped && nr_badpages > MAX_SWAP_BADPAGES) return null;
  const version = field(swap_header.version);
  if (version !== 1) {
    pr_warn(k, `Unable to handle swap header version ${version | 0}`);
    return null;
  }
  const last_page = field(swap_header.last_page);
  if (last_page === 0) {
    pr_warn(k, 'Empty swap-file');
    return null;
  }
  const maxpages = Math.min(last_page + 1, swapfile_maximum_size, UINT_MAX);
  const swapfilepages = Math.floor(disk.sectors / 2 ** PAGE_SECTORS_SHIFT);
  if (swapfilepages > 0 && maxpages > swapfilepages) {
    pr_warn(k, 'Swap area shorter than signature indicates');
    return null;
  }
  if (nr_badpages > MAX_SWAP_BADPAGES) return null;
  const badpages = Array.from({ length: nr_badpages }, (_, n) => field(swap_header.badpages + 4 * n));
  return { last_page, badpages, maxpages };
}

/** Fills the map. @returns 0 or -EINVAL */
function setup_swap_map(k: Kernel, si: swap_info_struct, { last_page, badpages, maxpages }: Header): number {
  const { clusters, swap_map } = si;
  let nr_good_pages = maxpages - 1;
  for (const page_nr of badpages) {
    if (page_nr === 0 || page_nr > last_page) return -EINVAL;
    if (page_nr >= maxpages) continue;
    swap_map[page_nr] = SWAP_MAP_BAD;
    nr_good_pages--;
    inc_cluster_info_page(k, clusters, page_nr);
  }
  const size = swapfile_cluster(k);
  for (let n = maxpages; n % size !== 0; n++) inc_cluster_info_page(k, clusters, n);
  if (nr_good_pages <= 0) {
    pr_warn(k, 'Empty swap-file');
    return -EINVAL;
  }
  swap_map[0] = SWAP_MAP_BAD;
  inc_cluster_info_page(k, clusters, 0);
  si.max = maxpages;
  si.pages = nr_good_pages;
  if (clusters !== null) list_free_clusters(k, si, clusters);
  return 0;
}

/** Takes so many pages for an area; release_area() gives them back. @returns 0 or -ENOMEM */
function* take_pages(k: Kernel, si: swap_info_struct, count: number, gfp: gfp_t): Sleeping<number> {
  for (let n = 0; n < count; n++) {
    const pfn = yield* alloc_pages_task(k, gfp, 0);
    if (pfn < 0) return -ENOMEM;
    si.map_pages.push(pfn);
  }
  return 0;
}

/** vzalloc() of swap_map, a byte for each page. @returns 0 or -ENOMEM */
function* alloc_swap_map(k: Kernel, si: swap_info_struct, maxpages: number): Sleeping<number> {
  if (Math.floor(maxpages / PAGE_SIZE) > k.mm.totalram_pages) {
    warn_alloc(k, GFP_KERNEL | __GFP_ZERO, null, `vmalloc error: size ${maxpages}, exceeds total pages`);
    return -ENOMEM;
  }
  const gfp = GFP_KERNEL | __GFP_HIGHMEM | __GFP_NOWARN | __GFP_ZERO;
  return yield* take_pages(k, si, Math.ceil(maxpages / PAGE_SIZE), gfp);
}

/** Room for the owner of each page. @returns 0 or -ENOMEM */
function* swap_cgroup_swapon(k: Kernel, si: swap_info_struct, maxpages: number): Sleeping<number> {
  if (k.memcg.disabled) return 0;
  const error = yield* take_pages(k, si, Math.ceil(maxpages / SC_PER_PAGE), GFP_KERNEL | __GFP_ZERO);
  if (error === 0) return 0;
  pr_info(k, "couldn't allocate enough memory for swap_cgroup");
  pr_info(k, 'swap_cgroup can be disabled by swapaccount=0 boot option');
  return error;
}

/** An area with the disk's kind of map. @returns 0 or -errno */
function* setup_area(k: Kernel, si: swap_info_struct, disk: gendisk, header: Header): Sleeping<number> {
  si.lowest_bit = 1;
  si.highest_bit = header.maxpages - 1;
  si.cluster_next = 1;
  si.cluster_nr = 0;
  const error = (yield* alloc_swap_map(k, si, header.maxpages)) || (yield* swap_cgroup_swapon(k, si, header.maxpages));
  if (error !== 0) return error;
  si.swap_map = new Uint8Array(header.maxpages);
  if (disk.nonrot) {
    si.flags |= SWP_SOLIDSTATE;
    const cpus = [...for_each_possible_cpu(k)];
    si.clusters = new swap_clusters(Math.ceil(header.maxpages / swapfile_cluster(k)), Math.max(...cpus) + 1);
    // Wear is spread: no CPU begins where it did the last time.
    for (const cpu of cpus) si.clusters.next_cpu[cpu] = 1 + prandom_u32_max(k, si.highest_bit);
  }
  return setup_swap_map(k, si, header);
}

export function release_area(k: Kernel, si: swap_info_struct): void {
  for (const pfn of si.map_pages) __free_pages(k, pfn, 0);
  si.map_pages = [];
  si.swap_map = new Uint8Array(0);
  si.clusters = null;
  si.spaces = [];
  si.swap_cgroup = null;
  if (si.disk !== null) si.disk.holder = null;
  si.disk = null;
  si.flags = 0;
  si.max = 0;
}

/** Its place among the others. @param prio below 0: behind all that are on */
export function setup_swap_info(k: Kernel, si: swap_info_struct, prio: number): void {
  si.prio = prio >= 0 ? prio : --k.swap.least_priority;
  si.avail_prio = [];
  for (let nid = 0; nid < k.nr_node_ids; nid++) {
    // Of areas that nobody ranked, each node takes those on its own disks first.
    si.avail_prio.push(si.prio < 0 && si.disk?.nid === nid ? 1 : -si.prio);
  }
}

export function enable_swap_info(k: Kernel, si: swap_info_struct): void {
  si.live = true;
  si.flags |= SWP_WRITEOK;
  k.swap.nr_swap_pages += si.pages;
  k.swap.total_swap_pages += si.pages;
  add_to_active_list(k, si);
  add_to_avail_list(k, si);
}

/**
 * The system call. Context: a task that may sleep.
 * @param path of a disk, such as /dev/vda. @param swap_flags SWAP_FLAG_*. @returns 0 or -errno
 */
export function* swapon(k: Kernel, path: string, swap_flags: number): Sleeping<number> {
  if ((swap_flags & ~SWAP_FLAGS_VALID) !== 0) return -EINVAL;
  const si = alloc_swap_info(k);
  if (si === null) return -EPERM;
  const disk = lookup_disk(k, path);
  if (disk === null || disk.holder !== null) {
    si.flags = 0;
    return disk === null ? -ENOENT : -EBUSY;
  }
  disk.holder = si;
  si.disk = disk;
  si.name = path;
  si.flags |= SWP_BLKDEV;
  const error = yield* read_area(k, si, disk);
  if (error !== 0) {
    release_area(k, si);
    return error;
  }
  if (!disk.nonrot) k.swap.nr_rotate_swap++;
  setup_swap_info(k, si, (swap_flags & SWAP_FLAG_PREFER) !== 0 ? swap_flags & SWAP_FLAG_PRIO_MASK : -1);
  enable_swap_info(k, si);
  const kib = si.pages * 2 ** KIB_SHIFT;
  const kind = (si.flags & SWP_SOLIDSTATE) !== 0 ? 'SS' : '';
  // CONFIG_FRONTSWAP, which is there for zswap.
  const frontswap = k.config.ZSWAP ? 'FS' : '';
  pr_info(k, `Adding ${kib}k swap on ${path}.  Priority:${si.prio} extents:1 across:${kib}k ${kind}${frontswap}`);
  enable_swap_slots_cache(k);
  return 0;
}

function* read_area(k: Kernel, si: swap_info_struct, disk: gendisk): Sleeping<number> {
  const pfn = yield* alloc_pages_task(k, GFP_KERNEL, 0);
  if (pfn < 0) return -ENOMEM;
  const error = yield* submit_bio_wait(k, disk, REQ_OP_READ, 0, pfn);
  const header = error === 0 ? read_swap_header(k, disk, pfn * PAGE_SIZE) : null;
  __free_pages(k, pfn, 0);
  if (error !== 0) return error;
  return header === null ? -EINVAL : yield* setup_area(k, si, disk, header);
}
