// SRAT, which memory and which CPU belongs to which proximity domain (ACPI 6.5, 5.2.16). Without entries of a machine
// file these are QEMU 7.2's for the same topology (hw/i386/acpi-build.c, build_srat).

import type { MachineConfig, SratEntry } from '../../emu/config/machine_config.ts';
import { Bytes } from './bytes.ts';
import { table } from './header.ts';

const ENABLED = 1;
const HOT_PLUGGABLE = 2;
const MEMORY_ENTRY_SIZE = 40;
/** Reserved field of the head that must be 1, and one that must be 0. */
const HEAD = { compatible: 1, reserved: 0 } as const;
/** The first APIC ID that a local APIC entry cannot hold. */
export const FIRST_X2APIC_ID = 255;

const VGA_HOLE = { start: 0xa0000, end: 0x100000 } as const;

/** null: a machine without nodes has none. */
export function srat(config: MachineConfig): Uint8Array | null {
  if (config.srat !== null) return build(config.srat.revision, config.srat.entries);
  if (config.nodes.length === 0) return null;
  const memory = memoryEntries(config);
  // QEMU keeps room for two more memory entries than there are nodes and leaves what it does not need zeroed.
  while (memory.length < config.nodes.length + 2) memory.push(memoryEntry(0, 0, 0, 0));
  const { devices } = config.layout;
  if (devices !== null) {
    const last = config.nodes.length - 1;
    memory.push(memoryEntry(last, devices.start, devices.end, ENABLED | HOT_PLUGGABLE));
  }
  return build(1, [...cpuEntries(config), ...memory]);
}

const cpuEntries = ({ cpus }: MachineConfig): SratEntry[] =>
  cpus.map(({ apicId, node }) => ({
    kind: apicId < FIRST_X2APIC_ID ? 'apic' : 'x2apic',
    pxm: node ?? 0,
    apicId,
    flags: ENABLED,
  }));

const memoryEntry = (pxm: number, start: number, end: number, flags: number): SratEntry => ({
  kind: 'memory',
  pxm,
  start: BigInt(start),
  size: BigInt(end - start),
  flags,
});

/** The nodes' memory one after the other through RAM, each cut at the holes that it meets. */
function memoryEntries({ nodes, layout }: MachineConfig): SratEntry[] {
  const { below4g, above4gStart } = layout;
  const entries: SratEntry[] = [];
  const add = (pxm: number, start: number, end: number) => {
    if (end > start) entries.push(memoryEntry(pxm, start, end, ENABLED));
  };
  let start = 0;
  for (const [pxm, { memory }] of nodes.entries()) {
    let end = start + memory;
    if (start <= VGA_HOLE.start && end > VGA_HOLE.start) {
      add(pxm, start, VGA_HOLE.start);
      // A node that ends in the hole has nothing above it; the next one begins there.
      if (end <= VGA_HOLE.end) {
        start = VGA_HOLE.end;
        continue;
      }
      start = VGA_HOLE.end;
    }
    if (start <= below4g && end > below4g) {
      add(pxm, start, below4g);
      end += above4gStart - below4g;
      start = above4gStart;
    }
    add(pxm, start, end);
    start = end;
  }
  return entries;
}

function build(revision: number, entries: readonly SratEntry[]): Uint8Array {
  const body = new Bytes().u32(HEAD.compatible).u64(HEAD.reserved);
  for (const entry of entries) put(body, entry);
  return table('SRAT', revision, body.take());
}

function put(body: Bytes, entry: SratEntry): void {
  switch (entry.kind) {
    case 'apic': {
      const { pxm, apicId, flags } = entry;
      body.u8(0, 16, pxm, apicId).u32(flags);
      // Local SAPIC EID, bits 8 to 31 of the proximity domain, clock domain.
      body.u8(0, pxm >>> 8, pxm >>> 16, pxm >>> 24).u32(0);
      break;
    }
    case 'x2apic':
      body.u8(2, 24).u16(0).u32(entry.pxm).u32(entry.apicId).u32(entry.flags).u32(0).u32(0);
      break;
    case 'memory':
      body.u8(1, MEMORY_ENTRY_SIZE).u32(entry.pxm).u16(0).u64(entry.start).u64(entry.size);
      body.u32(0).u32(entry.flags).u64(0);
      break;
    case 'raw':
      body.bytes(entry.bytes);
      break;
  }
}
