// The written-out paths of the page allocator (pcp_fast.ts, buddy_fast.ts), made for where memory management's structures
// lie.
//
// They are closures over arrays that are whole buffers of RAM, and everything that they look at is an index into one. So
// the compiler has each array's address and length as constants in its code. Compared with arrays found through objects,
// which have to be asked for both each time, and whose answers take up registers, this saves a quarter of an order-0
// pair. It works as long as one set of paths is all there is: on machines of up to 8 GiB, whose RAM is one buffer.

import { PFN_SECTION_SHIFT } from '../include/mmzone.ts';
import { ZONES_PGSHIFT_HI } from '../include/page_flags.ts';
import type { pfn_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { free_list_paths } from './buddy_fast.ts';
import { type AllocPath, counter, type FastMemory, type FreeBlockPath, type FreePath } from './fast_memory.ts';
import { pcp_paths } from './pcp_fast.ts';

export class FastPaths {
  readonly pages: Int32Array;
  readonly zones: Int32Array;
  readonly percpu: Int32Array;
  readonly alloc_from_pcplist: AllocPath;
  readonly free_to_pcplist: FreePath;
  readonly alloc_from_free_list: AllocPath;
  readonly free_to_free_list: FreeBlockPath;

  constructor(memory: FastMemory) {
    this.pages = memory.pages;
    this.zones = memory.zones;
    this.percpu = memory.percpu;
    const pcp = pcp_paths(memory);
    this.alloc_from_pcplist = pcp.alloc;
    this.free_to_pcplist = pcp.free;
    const free_list = free_list_paths(memory);
    this.alloc_from_free_list = free_list.alloc;
    this.free_to_free_list = free_list.free;
  }
}

/** The paths of a zone and CPU whose parts are in the buffers of these words, for pages with theirs next to `map`. */
export function fast_paths(k: Kernel, zone: Int32Array, percpu: Int32Array, map: Int32Array): FastPaths {
  const made = k.page_alloc.fast_paths;
  const found = made.find(
    (paths) =>
      paths.pages.buffer === map.buffer && paths.zones.buffer === zone.buffer && paths.percpu.buffer === percpu.buffer,
  );
  if (found !== undefined) return found;
  // One array for a buffer, whichever sets use it: by their arrays, sets tell whether a zone is one of theirs.
  const arrays = made.flatMap((paths) => [paths.pages, paths.zones, paths.percpu]);
  const whole = (words: Int32Array): Int32Array => {
    const known = arrays.find((array) => array.buffer === words.buffer);
    if (known !== undefined) return known;
    const array = new Int32Array(words.buffer);
    arrays.push(array);
    return array;
  };
  const pages = whole(map);
  const zones = whole(zone);
  const cpu = whole(percpu);
  const paths = new FastPaths({
    pages,
    doubles: new Float64Array(map.buffer),
    zones,
    percpu: cpu,
    maps: places(k.mm.section_mem_map, map),
    usemaps: places(k.mm.section_usemap, zone),
    cma: k.page_alloc.cma,
    events: k.vm_event.counts,
    count: counter(cpu),
  });
  made.push(paths);
  return paths;
}

/**
 * Finds the paths that free pages of a section on this CPU, for the next time.
 * @param flags_hi of a page of it that is being freed
 * @returns undefined if they have to go the general way
 */
export function remember_section(k: Kernel, pfn: pfn_t, flags_hi: number): FastPaths | undefined {
  const { by_id, sections } = k.page_alloc;
  const section = pfn >>> PFN_SECTION_SHIFT;
  const c = by_id[flags_hi >>> ZONES_PGSHIFT_HI];
  if (c === undefined || sections[section] !== undefined) return sections[section];
  const map = k.mm.section_mem_map[section]!;
  const zone = c.zone.view;
  if (map.length === 0 || k.mm.section_usemap[section]!.buffer !== zone.buffer) return undefined;
  const paths = fast_paths(k, zone, c.pcp, map);
  sections[section] = paths;
  return paths;
}

/**
 * Where each section's words begin in the buffer that `words` are in. Never so short that the engine keeps it among its
 * objects, where it would move.
 */
function places(sections: readonly Int32Array[], words: Int32Array): Int32Array {
  const table = new Int32Array(Math.max(sections.length, 64)).fill(-1);
  for (const [nr, of] of sections.entries()) {
    if (of.length > 0 && of.buffer === words.buffer) table[nr] = of.byteOffset / 4;
  }
  return table;
}
