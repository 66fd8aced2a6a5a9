// What SRAT and SLIT say about nodes (Linux: drivers/acpi/numa/srat.c, arch/x86/mm/srat.c). Firmware numbers proximity
// domains as it likes; a domain gets the next free node number when it is first named.
// ACPI 6.5 sections 5.2.16 (SRAT), 5.2.17 (SLIT).
//
// Left out: entries for ARM's interrupt controller, whose processors x86 cannot have.

import { PHYS_ADDR_MAX } from '../../include/memblock.ts';
import { EINVAL, ENOENT, NUMA_NO_NODE, type nid_t } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { node_isset, node_set } from '../../lib/nodemask.ts';
import { pr_err, pr_info, pr_warn } from '../../lib/printk.ts';
import { memblock_mark_hotplug } from '../../mm/memblock.ts';
import { MAX_PXM_DOMAINS } from './acpi.ts';
import type { AcpiMapping } from './acpi_map.ts';
import {
  acpi_table_parse,
  acpi_table_parse_entries,
  acpi_table_parse_entries_array,
  type Entry,
  SIZEOF_CEDT,
  SIZEOF_SRAT,
  subtable_proc,
} from './acpi_subtables.ts';
import { apic_id_valid, MAX_LOCAL_APIC } from './cpu.ts';
import { numa_set_distance } from './numa_distance.ts';
import { numa_add_memblk, numa_fill_memblks, range_text } from './numa_meminfo.ts';
import { LOCAL_DISTANCE, max_numnodes } from './numa_state.ts';

// enum acpi_srat_type
const CPU_AFFINITY = 0;
const MEMORY_AFFINITY = 1;
const X2APIC_CPU_AFFINITY = 2;
const GICC_AFFINITY = 3;
const GENERIC_AFFINITY = 5;

const ENABLED = 1;
const MEM_HOT_PLUGGABLE = 2;
const MEM_NON_VOLATILE = 4;

const SIZEOF_CPU_AFFINITY = 16;
const SIZEOF_MEM_AFFINITY = 40;
const SIZEOF_X2APIC_CPU_AFFINITY = 24;
/** CXL fixed memory window of the CEDT. */
const CEDT_CFMWS = 1;

export function disable_srat(k: Kernel): void {
  k.acpi.acpi_numa = -1;
}

const srat_disabled = (k: Kernel): boolean => k.acpi.acpi_numa < 0;

function bad_srat(k: Kernel): void {
  pr_err(k, 'ACPI: SRAT: SRAT not used.');
  disable_srat(k);
}

function pxm_to_node(k: Kernel, pxm: number): nid_t {
  return k.numa.numa_off ? NUMA_NO_NODE : (k.acpi.pxm_to_node_map.get(pxm) ?? NUMA_NO_NODE);
}

/** The node of a domain, a new one the first time. `pxm` is a C int: above 2^31 it is below zero. */
function acpi_map_pxm_to_node(k: Kernel, pxm: number): nid_t {
  const { pxm_to_node_map, node_to_pxm_map, nodes_found_map } = k.acpi;
  if (pxm < 0 || pxm >= MAX_PXM_DOMAINS(max_numnodes(k)) || k.numa.numa_off) return NUMA_NO_NODE;
  const known = pxm_to_node_map.get(pxm);
  if (known !== undefined) return known;
  let node = 0;
  while (node_isset(node, nodes_found_map)) node++;
  if (node >= max_numnodes(k)) return NUMA_NO_NODE;
  pxm_to_node_map.set(pxm, node);
  node_to_pxm_map.set(node, pxm);
  node_set(node, nodes_found_map);
  return node;
}

const hex = (value: number, digits: number): string => `0x${value.toString(16).padStart(digits, '0')}`;

/** Entry types 0 and 2 have come as far as a valid domain and APIC id: the CPU belongs to the node. */
function set_apicid_to_node(k: Kernel, pxm: number, apic_id: number, digits: number): void {
  const node = acpi_map_pxm_to_node(k, pxm | 0);
  if (node < 0) {
    pr_err(k, `SRAT: Too many proximity domains ${pxm.toString(16)}`);
    bad_srat(k);
    return;
  }
  const mapping = `SRAT: PXM ${pxm} -> APIC ${hex(apic_id, digits)} -> Node ${node}`;
  if (apic_id >= MAX_LOCAL_APIC) {
    pr_info(k, `${mapping} skipped apicid that is too big`);
    return;
  }
  k.numa.__apicid_to_node[apic_id] = node;
  node_set(node, k.numa.numa_nodes_parsed);
  pr_info(k, mapping);
}

function acpi_numa_x2apic_affinity_init(k: Kernel, entry: Entry): void {
  if (srat_disabled(k)) return;
  if (entry.length < SIZEOF_X2APIC_CPU_AFFINITY) {
    bad_srat(k);
    return;
  }
  if ((entry.u32(12) & ENABLED) === 0) return;
  const pxm = entry.u32(4);
  const apic_id = entry.u32(8);
  if (!apic_id_valid(k, apic_id)) {
    pr_info(k, `SRAT: PXM ${pxm} -> X2APIC ${hex(apic_id, 4)} ignored`);
    return;
  }
  set_apicid_to_node(k, pxm, apic_id, 4);
}

function acpi_numa_processor_affinity_init(k: Kernel, entry: Entry): void {
  if (srat_disabled(k)) return;
  if (entry.length !== SIZEOF_CPU_AFFINITY) {
    bad_srat(k);
    return;
  }
  if ((entry.u32(4) & ENABLED) === 0) return;
  let pxm = entry.u8(2);
  // Four bytes are read where the domain has three more: the clock domain's first byte is shifted out again.
  if (k.acpi.acpi_srat_revision >= 2) pxm = (pxm | (entry.u32(9) << 8)) >>> 0;
  set_apicid_to_node(k, pxm, entry.u8(3), 2);
}

/** @returns 0 if the entry named memory, or -EINVAL: that is no error of the table's */
function acpi_numa_memory_affinity_init(k: Kernel, entry: Entry): number {
  if (srat_disabled(k)) return -EINVAL;
  const bad = (): number => {
    bad_srat(k);
    return -EINVAL;
  };
  if (entry.length < SIZEOF_MEM_AFFINITY) {
    pr_err(k, `ACPI: SRAT: Unexpected header length: ${entry.length}`);
    return bad();
  }
  const flags = entry.u32(28);
  if ((flags & ENABLED) === 0) return -EINVAL;
  const hotpluggable = (flags & MEM_HOT_PLUGGABLE) !== 0;
  const start = entry.u64(8);
  const length = entry.u64(16);
  const end = BigInt.asUintN(64, start + length);
  const pxm = k.acpi.acpi_srat_revision <= 1 ? entry.u8(2) : entry.u32(2);

  const node = acpi_map_pxm_to_node(k, pxm | 0);
  if (node === NUMA_NO_NODE) {
    pr_err(k, 'ACPI: SRAT: Too many proximity domains.');
    return bad();
  }
  if (numa_add_memblk(k, node, start, end) < 0) {
    pr_err(k, `ACPI: SRAT: Failed to add memblk to node ${node} ${range_text(start, end)}`);
    return bad();
  }
  node_set(node, k.numa.numa_nodes_parsed);
  const kind = `${hotpluggable ? ' hotplug' : ''}${(flags & MEM_NON_VOLATILE) !== 0 ? ' non-volatile' : ''}`;
  pr_info(k, `ACPI: SRAT: Node ${node} PXM ${pxm} ${range_text(start, end)}${kind}`);

  if (hotpluggable && mark_hotplug(k, start, length) !== 0) {
    pr_warn(k, `ACPI: SRAT: Failed to mark hotplug range ${range_text(start, end)} in memblock`);
  }
  const last_pfn = BigInt.asUintN(64, end - 1n + 4095n) >> 12n;
  k.boot.max_possible_pfn = Math.max(k.boot.max_possible_pfn, Number(last_pfn));
  return 0;
}

function mark_hotplug(k: Kernel, start: bigint, length: bigint): number {
  if (start >= BigInt(PHYS_ADDR_MAX)) return 0;
  const base = Number(start);
  return memblock_mark_hotplug(k, base, Math.min(Number(length), PHYS_ADDR_MAX - base));
}

/** A generic initiator (a device that uses memory) can be all that a node has. */
function acpi_parse_gi_affinity(k: Kernel, entry: Entry): number {
  if ((entry.u32(24) & ENABLED) === 0) return -EINVAL;
  const node = acpi_map_pxm_to_node(k, entry.u32(4) | 0);
  if (node === NUMA_NO_NODE) {
    pr_err(k, 'ACPI: SRAT: Too many proximity domains.');
    return -EINVAL;
  }
  node_set(node, k.numa.numa_nodes_parsed);
  node_set(node, k.node_states.N_GENERIC_INITIATOR);
  return 0;
}

/**
 * Are all distances to oneself 10 and all others more? Firmware that writes 10 everywhere is common.
 * The count is taken for a C int and nobody compares it with the table's length.
 */
function slit_valid(slit: AcpiMapping): boolean {
  const d = Number(BigInt.asIntN(32, slit.u64(36)));
  for (let i = 0; i < d; i++) {
    for (let j = 0; j < d; j++) {
      const val = slit.u8(44 + (Math.imul(d, i) + j));
      if (i === j ? val !== LOCAL_DISTANCE : val <= LOCAL_DISTANCE) return false;
    }
  }
  return true;
}

function acpi_parse_slit(k: Kernel, slit: AcpiMapping): void {
  if (!slit_valid(slit)) {
    pr_info(k, 'ACPI: SLIT table looks invalid. Not used.');
    return;
  }
  // Differs from Linux: it counts on beyond the last domain that can have a node, for ever if the count is 2^31 or
  // more. Nothing comes of that.
  const locality_count = slit.u64(36);
  const count = Math.min(Number(locality_count), MAX_PXM_DOMAINS(max_numnodes(k)));
  for (let i = 0; i < count; i++) {
    const from_node = pxm_to_node(k, i);
    if (from_node === NUMA_NO_NODE) continue;
    const row = Number(BigInt.asUintN(64, locality_count * BigInt(i)));
    for (let j = 0; j < count; j++) {
      const to_node = pxm_to_node(k, j);
      if (to_node !== NUMA_NO_NODE) numa_set_distance(k, from_node, to_node, slit.u8(44 + row + j));
    }
  }
}

/** A CXL window that the SRAT says nothing of becomes a node of its own. */
function parse_cedt(k: Kernel): void {
  let fake_pxm = Math.max(-1, ...k.acpi.node_to_pxm_map.values()) + 1;
  const acpi_parse_cfmws = (_: Kernel, entry: Entry): number => {
    const start = entry.u64(8);
    const end = BigInt.asUintN(64, start + entry.u64(16));
    if (numa_fill_memblks(k, Number(start), Number(end))) return 0;
    const node = acpi_map_pxm_to_node(k, fake_pxm);
    if (node === NUMA_NO_NODE) {
      pr_err(k, 'ACPI: ACPI NUMA: Too many proximity domains while processing CFMWS.');
      return -EINVAL;
    }
    if (numa_add_memblk(k, node, start, end) < 0) {
      const last = BigInt.asUintN(64, end);
      const range = `[mem 0x${start.toString(16)}-0x${last.toString(16)}]`;
      pr_warn(k, `ACPI: ACPI NUMA: Failed to add memblk for CFMWS node ${node} ${range}`);
    }
    node_set(node, k.numa.numa_nodes_parsed);
    fake_pxm++;
    return 0;
  };
  acpi_table_parse_entries(k, 'CEDT', SIZEOF_CEDT, CEDT_CFMWS, acpi_parse_cfmws);
}

/** Prints the entry (pr_debug() in Linux, off unless asked for), then hands it on. */
const ok =
  (init: (k: Kernel, entry: Entry) => void) =>
  (k: Kernel, entry: Entry): number => {
    init(k, entry);
    return 0;
  };

function acpi_parse_memory_affinity(k: Kernel, entry: Entry): number {
  if (acpi_numa_memory_affinity_init(k, entry) === 0) k.acpi.parsed_numa_memblks++;
  return 0;
}

function acpi_numa_init(k: Kernel): number {
  if (k.acpi.acpi_disabled) return -EINVAL;
  let cnt = 0;
  const parse_srat = (_: Kernel, table: AcpiMapping): void => {
    k.acpi.acpi_srat_revision = table.u8(8);
  };
  if (acpi_table_parse(k, 'SRAT', parse_srat)) {
    // All CPUs first, in whatever order they come: they decide the order of nodes.
    const srat_proc = [
      subtable_proc(CPU_AFFINITY, ok(acpi_numa_processor_affinity_init)),
      subtable_proc(X2APIC_CPU_AFFINITY, ok(acpi_numa_x2apic_affinity_init)),
      subtable_proc(GICC_AFFINITY, () => 0),
      subtable_proc(GENERIC_AFFINITY, acpi_parse_gi_affinity),
    ];
    acpi_table_parse_entries_array(k, 'SRAT', SIZEOF_SRAT, srat_proc, 0);
    cnt = acpi_table_parse_entries(k, 'SRAT', SIZEOF_SRAT, MEMORY_AFFINITY, acpi_parse_memory_affinity);
  }
  acpi_table_parse(k, 'SLIT', acpi_parse_slit);
  parse_cedt(k);
  if (cnt < 0) return cnt;
  return k.acpi.parsed_numa_memblks === 0 ? -ENOENT : 0;
}

export function x86_acpi_numa_init(k: Kernel): number {
  const ret = acpi_numa_init(k);
  if (ret < 0) return ret;
  return srat_disabled(k) ? -EINVAL : 0;
}
