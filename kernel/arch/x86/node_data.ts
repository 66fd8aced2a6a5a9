// NODE_DATA: where a node's pg_data_t lies (Linux: arch/x86/mm/numa.c alloc_node_data()).
//
// Differs from Linux: our pg_data_t has one layout, that of 1024 nodes, so a kernel configured for fewer takes more
// room here than there. Where another kernel's reservations are replayed, this matters, since CMA areas and huge pages
// go below: then memblock gives what that kernel took, and ours lies in that kernel's image, where nothing of ours is
// and nothing is freed.

import type { KernelConfig } from '../../config.ts';
import { SMP_CACHE_BYTES } from '../../include/memblock.ts';
import { MAX_ZONELISTS, pglist_data, zone, zoneref } from '../../include/mmzone.ts';
import {
  NUMA_NO_NODE,
  type nid_t,
  PAGE_SIZE,
  PFN_DOWN,
  type phys_addr_t,
  round_down,
  round_up,
} from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { first_node, node_set } from '../../lib/nodemask.ts';
import { mem_range, pr_err, pr_info } from '../../lib/printk.ts';
import { memblock_phys_free } from '../../mm/memblock.ts';
import { memblock_phys_alloc_try_nid } from '../../mm/memblock_alloc.ts';
import { memblock_search_pfn_nid } from '../../mm/memblock_info.ts';
import { PgData } from '../../mm/mmzone.ts';
import { RAM_CHUNK_SHIFT } from './hw.ts';
import { init_section, type Section } from './sections.ts';

const OURS = round_up(pglist_data.size, PAGE_SIZE);
/** In the image's reservation: past where code of ours is loaded. */
const IMAGE_OFFSET = 0x200000;

/** Bytes that Linux, so configured, takes for a node: roundup(sizeof(pg_data_t), PAGE_SIZE). */
function linux_node_data_size(config: KernelConfig): number {
  const zones = [config.ZONE_DMA, true, true, true, config.ZONE_DEVICE].filter(Boolean).length;
  const zonerefs = (1 << config.NODES_SHIFT) * zones + 1;
  const rest = pglist_data.size - pglist_data.offset.nr_zones;
  return round_up(zones * zone.size + MAX_ZONELISTS * zonerefs * zoneref.size + rest, PAGE_SIZE);
}

const chunk_of = (pa: phys_addr_t): number => Math.floor(pa / 2 ** RAM_CHUNK_SHIFT);

/** Room for `size` bytes near `nid` within one chunk of RAM, or 0. */
function alloc_within_chunk(k: Kernel, size: number, nid: nid_t): phys_addr_t {
  const pa = memblock_phys_alloc_try_nid(k, size, SMP_CACHE_BYTES, nid);
  if (pa === 0 || chunk_of(pa) === chunk_of(pa + size - 1)) return pa;
  memblock_phys_free(k, pa, size);
  // Differs from Linux: what is aligned to a power of two above its size crosses no chunk.
  return memblock_phys_alloc_try_nid(k, size, 2 ** Math.ceil(Math.log2(size)), nid);
}

/** Room for our pg_data_t within the replayed kernel's image, or 0. */
function room_in_image(k: Kernel, nid: nid_t): phys_addr_t {
  const { text, end } = k.config.image;
  const whole = k.recorded?.some((r) => r.nid !== NUMA_NO_NODE && r.base <= text && end <= r.base + r.size);
  if (!whole) return 0;
  const { etext, start_rodata, end_rodata, sdata } = k.config.image;
  const kept: readonly Section[] = [
    { start: text + IMAGE_OFFSET, end: round_down(etext, PAGE_SIZE) },
    { start: start_rodata, end: end_rodata },
    { start: sdata, end: init_section(k.config.image).start },
  ];
  let before = nid;
  for (const { start, end } of kept) {
    const pa = start + before * OURS;
    if (pa + OURS <= end) return chunk_of(pa) === chunk_of(pa + OURS - 1) ? pa : 0;
    before -= Math.floor((end - start) / OURS);
  }
  return 0;
}

/** Sets up NODE_DATA(nid), on the node itself if there is room, and brings the node online. */
export function alloc_node_data(k: Kernel, nid: nid_t): void {
  const in_image = linux_node_data_size(k.config) < OURS ? room_in_image(k, nid) : 0;
  const nd_size = in_image !== 0 ? linux_node_data_size(k.config) : OURS;
  const nd_pa = alloc_within_chunk(k, nd_size, nid);
  if (nd_pa === 0) {
    pr_err(k, `Cannot find ${nd_size} bytes in any node (initial node: ${nid})`);
    return;
  }
  if (k.config.NUMA) {
    pr_info(k, `NODE_DATA(${nid}) allocated ${mem_range(nd_pa, nd_pa + nd_size - 1, 8)}`);
    const tnid = memblock_search_pfn_nid(k, PFN_DOWN(nd_pa))?.nid ?? first_node(k.node_online_map);
    if (tnid !== nid) pr_info(k, `    NODE_DATA(${nid}) on node ${tnid}`);
  }
  const pa = in_image !== 0 ? in_image : nd_pa;
  k.hw.ram.fill(pa, OURS, 0);
  k.node_data[nid] = new PgData(k.hw.ram, pa, nid);
  node_set(nid, k.node_online_map);
}
