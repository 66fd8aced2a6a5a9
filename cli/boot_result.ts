// What a boot came to: as data for --json, and as the few lines that follow the log on a terminal.

import { BAD_APICID } from '../kernel/arch/x86/cpu.ts';
import { e820_type_name } from '../kernel/arch/x86/e820.ts';
import { node_distance } from '../kernel/arch/x86/numa_distance.ts';
import { frag_show } from '../kernel/fs/proc/buddyinfo.ts';
import { configured_migratetypes } from '../kernel/fs/proc/zones.ts';
import { MAX_ORDER, NR_FREE_PAGES, WMARK_HIGH, WMARK_LOW, WMARK_MIN } from '../kernel/include/mmzone.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { for_each_node_mask, MAX_NUMNODES, node_isset } from '../kernel/lib/nodemask.ts';
import { for_each_free_page, nr_free } from '../kernel/mm/free_list.ts';
import type { Zone } from '../kernel/mm/mmzone.ts';
import { logLines, zonelists, zonesOf } from './oracle/kernel_view.ts';

const hex = (value: number): string => `0x${value.toString(16)}`;

/**
 * docs/json.md describes it. Numbers of pages are plain; addresses are text in hex, as they do not fit into every
 * reader's integers.
 */
export function bootResult(k: Kernel): object {
  const { log, ...firmware } = firmwareResult(k);
  const cpus = cpusOf(k);
  const nodes = [...for_each_node_mask(k.node_possible_map)].filter((nid) => k.node_data[nid] !== undefined);
  return {
    ...firmware,
    cpus,
    nodes: nodes.map((nid) => {
      const { node_start_pfn, node_spanned_pages, node_present_pages } = k.node_data[nid]!;
      return {
        node: nid,
        start_pfn: node_start_pfn,
        spanned: node_spanned_pages,
        present: node_present_pages,
        cpus: cpus.filter(({ node, online }) => online && node === nid).map(({ cpu }) => cpu),
        distances: nodes.map((other) => node_distance(k, nid, other)),
      };
    }),
    zones: [...zonesOf(k)].map((zone) => ({ ...zoneData(k, zone), free_lists: freeLists(k, zone) })),
    zonelists: zonelists(k),
    log,
  };
}

/** What there is of a kernel however early it panicked: the map and memblock as they were then, and the log. */
export const firmwareResult = (k: Kernel) => ({
  linux: k.config.version,
  config: k.config.name,
  cmdline: k.cmdline.boot_command_line,
  e820: k.e820.e820_table.map(({ addr, size, type }) => ({
    start: `0x${addr.toString(16)}`,
    end: `0x${(addr + size - 1n).toString(16)}`,
    type: e820_type_name(type),
  })),
  memblock: { memory: regions(k, 'memory'), reserved: regions(k, 'reserved') },
  log: logLines(k),
});

const nodeOrNull = (nid: number): number | null => (nid >= 0 && nid < MAX_NUMNODES ? nid : null);

const regions = (k: Kernel, list: 'memory' | 'reserved') =>
  k.memblock[list].regions
    .filter(({ size }) => size > 0)
    .map(({ base, size, nid, flags }) => ({
      base: hex(base),
      size: hex(size),
      nid: nodeOrNull(nid),
      flags,
    }));

const cpusOf = ({ cpus }: Kernel) =>
  [...for_each_node_mask(cpus.cpu_possible_mask)].map((cpu) => {
    const apic = cpus.x86_cpu_to_apicid[cpu]!;
    return {
      cpu,
      apic: apic === BAD_APICID ? null : apic,
      node: nodeOrNull(cpus.x86_cpu_to_node_map[cpu]!),
      online: node_isset(cpu, cpus.cpu_online_mask),
    };
  });

/** Free blocks by migratetype, of each how many there are of which order, from 0 on. */
const freeLists = (k: Kernel, zone: Zone) =>
  Object.fromEntries(
    configured_migratetypes(k.config).map(({ mt, name }) => [
      name,
      Array.from({ length: MAX_ORDER }, (_, order) => {
        let count = 0;
        if (zone.populated) for (const _ of for_each_free_page(k, zone, order, mt)) count++;
        return count;
      }),
    ]),
  );

const zoneData = (k: Kernel, zone: Zone) => ({
  node: zone.nid,
  zone: zone.name,
  start_pfn: zone.zone_start_pfn,
  spanned: zone.spanned_pages,
  present: zone.present_pages,
  managed: zone.managed_pages,
  cma: zone.cma_pages,
  free: freePages(zone),
  min: zone._watermark(WMARK_MIN),
  low: zone._watermark(WMARK_LOW),
  high: zone._watermark(WMARK_HIGH),
  protection: [...zonesOf(k)].filter(({ nid }) => nid === zone.nid).map(({ idx }) => zone.lowmem_reserve(idx)),
  /** By order, from 0 on. */
  free_blocks: Array.from({ length: MAX_ORDER }, (_, order) => (zone.is_empty ? 0 : nr_free(zone, order))),
});

/** By the lists, not by the counter: some of that may still be in a CPU's diff. */
function freePages(zone: Zone): number {
  if (!zone.populated) return Math.max(0, zone.vm_stat(NR_FREE_PAGES));
  let pages = 0;
  for (let order = 0; order < MAX_ORDER; order++) pages += nr_free(zone, order) * 2 ** order;
  return pages;
}

/** /proc/buddyinfo, then the populated zones with what their sizes and marks are, in pages. */
export function bootSummary(k: Kernel): string {
  const rows = [...zonesOf(k)].filter((zone) => zone.populated).map((zone) => zoneData(k, zone));
  const columns = ['start_pfn', 'spanned', 'present', 'managed', 'cma', 'free', 'min', 'low', 'high'] as const;
  const widths = columns.map((name) => Math.max(name.length, ...rows.map((row) => String(row[name]).length)));
  const line = (head: string, cells: readonly (string | number)[], tail: string) =>
    `${head.padEnd(21)}${cells.map((cell, i) => `  ${String(cell).padStart(widths[i]!)}`).join('')}  ${tail}`;
  return [
    '/proc/buddyinfo',
    frag_show(k).replace(/\n$/, ''),
    '',
    line('zones, in pages', columns, 'protection'),
    ...rows.map((row) =>
      line(
        `Node ${row.node}, zone ${row.zone.padStart(8)}`,
        columns.map((name) => row[name]),
        `(${row.protection.join(', ')})`,
      ),
    ),
    '',
  ].join('\n');
}
