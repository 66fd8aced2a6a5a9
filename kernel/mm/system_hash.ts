// The two hash tables that are sized by the machine's memory and, on one node, taken from memblock (Linux:
// mm/page_alloc.c alloc_large_system_hash(), fs/dcache.c dcache_init_early(), fs/inode.c inode_init_early()).
//
// Left out: their use, as there are no files; tables that are allocated once the buddy allocator is up, which on
// several nodes is all of them.

import { SMP_CACHE_BYTES } from '../include/memblock.ts';
import { NUMA_NO_NODE, PAGE_SHIFT, PAGE_SIZE, round_up } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { panic } from '../lib/bug.ts';
import { simple_strtoull } from '../lib/memparse.ts';
import { nodes_weight } from '../lib/nodemask.ts';
import { pr_info } from '../lib/printk.ts';
import { memblockAllocUncleared } from './memblock_alloc.ts';

/** Above 64 GiB of memory a table grows half as fast as memory. */
const ADAPT_SCALE_NPAGES = 2 ** 36 / PAGE_SIZE;
const ADAPT_SCALE_SHIFT = 2;
/** sizeof(struct hlist_head), sizeof(struct hlist_bl_head): a pointer. */
const BUCKET = 8;
const PAGES_PER_MIB = 2 ** 20 / PAGE_SIZE;
const MAX_ENTRIES = 2 ** 31;

export class SystemHashState {
  /** hashdist=: tables are spread over nodes, and so wait for vmalloc. Without the parameter: if there are several. */
  hashdist: boolean | null = null;
  /** dhash_entries=, ihash_entries=; 0: as memory has it. */
  dhash_entries = 0;
  ihash_entries = 0;
}

const entries = (value: string): number => Number(simple_strtoull(value).value);

/** __setup("hashdist="): an int. */
export function set_hashdist(k: Kernel, value: string): number {
  if (value === '') return 0;
  k.system_hash.hashdist = BigInt.asUintN(32, simple_strtoull(value).value) !== 0n;
  return 1;
}

/** __setup("dhash_entries="). */
export function set_dhash_entries(k: Kernel, value: string): number {
  k.system_hash.dhash_entries = entries(value);
  return 1;
}

/** __setup("ihash_entries="). */
export function set_ihash_entries(k: Kernel, value: string): number {
  k.system_hash.ihash_entries = entries(value);
  return 1;
}

/** Bits of the number of buckets: one for every 2^scale bytes of memory, or as many as `asked`, in bounds. */
function hash_shift(k: Kernel, asked: number, scale: number, low_limit: number): number {
  let numentries = asked;
  if (numentries === 0) {
    numentries = round_up(k.mm.nr_kernel_pages, PAGES_PER_MIB);
    for (let adapt = ADAPT_SCALE_NPAGES; adapt < numentries; adapt *= 2 ** ADAPT_SCALE_SHIFT) scale++;
    numentries = Math.max(Math.floor(numentries / 2 ** (scale - PAGE_SHIFT)), PAGE_SIZE / BUCKET);
  }
  numentries = 2 ** Math.ceil(Math.log2(numentries));
  const max = Math.min(Math.floor((k.mm.nr_all_pages * PAGE_SIZE) / 16 / BUCKET), MAX_ENTRIES);
  return Math.floor(Math.log2(Math.min(Math.max(numentries, low_limit), max)));
}

/** With HASH_EARLY and HASH_ZERO. */
function alloc_large_system_hash(k: Kernel, tablename: string, asked: number, scale: number, low_limit: number): void {
  for (let log2qty = hash_shift(k, asked, scale, low_limit); ; log2qty--) {
    const size = BUCKET * 2 ** log2qty;
    if (memblockAllocUncleared(k, size, SMP_CACHE_BYTES, 0, 0, NUMA_NO_NODE, 'alloc_large_system_hash') !== 0) {
      const order = Math.max(0, Math.ceil(Math.log2(size / PAGE_SIZE)));
      pr_info(k, `${tablename} hash table entries: ${2 ** log2qty} (order: ${order}, ${size} bytes, linear)`);
      return;
    }
    if (size <= PAGE_SIZE || log2qty === 0) panic(k, `Failed to allocate ${tablename} hash table`);
  }
}

/** Context: memblock still gives memory. */
export function vfs_caches_init_early(k: Kernel): void {
  const { hashdist, dhash_entries, ihash_entries } = k.system_hash;
  if (hashdist ?? (k.config.NUMA && nodes_weight(k.node_states.N_MEMORY) !== 1)) return;
  alloc_large_system_hash(k, 'Dentry cache', dhash_entries, 13, 2);
  alloc_large_system_hash(k, 'Inode-cache', ihash_entries, 14, 0);
}
