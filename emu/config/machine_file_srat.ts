// The `srat` field of a machine file: entries in the order given, as CPUs, memory or raw bytes.

import { type JsonField, MAX_U8, MAX_U32 } from './json_fields.ts';
import type { Srat, SratEntry } from './machine_config.ts';
import { readRange } from './machine_file_map.ts';
import { readApicId, readBytes } from './machine_file_tables.ts';

/** Flag bits of SRAT entries (ACPI 6.5, tables 5.57 and 5.58). */
const FLAGS: Readonly<Record<string, number>> = { enabled: 1, hotplug: 2, nonvolatile: 4 };
const DEFAULT_REVISION = 3;

export function readSrat(field: JsonField): Srat {
  const { revision, entries } = field.members(['revision', 'entries']);
  return {
    revision: revision.present ? (revision.number(MAX_U8) ?? DEFAULT_REVISION) : DEFAULT_REVISION,
    entries: entries.elements('a list of entries: cpu, memory or raw').map(readEntry),
  };
}

function readEntry(field: JsonField): SratEntry {
  const { cpu, memory, raw } = field.members(['cpu', 'memory', 'raw']);
  const given = [cpu, memory, raw].filter(({ present }) => present);
  if (given.length !== 1) field.wrong('wanted exactly one of cpu, memory, raw');
  if (memory.present) return readMemory(memory);
  if (raw.present) return { kind: 'raw', bytes: readBytes(raw) };
  if (cpu.present) return readCpu(cpu);
  return { kind: 'raw', bytes: new Uint8Array() };
}

function readCpu(field: JsonField): SratEntry {
  const { pxm, apic, flags, x2apic } = field.members(['pxm', 'apic', 'flags', 'x2apic']);
  return { ...readApicId(apic, x2apic), pxm: pxm.number(MAX_U32) ?? 0, flags: readFlags(flags) };
}

function readMemory(field: JsonField): SratEntry {
  const { pxm, start, end, size, flags } = field.members(['pxm', 'start', 'end', 'size', 'flags']);
  const range = readRange(start, end, size);
  return {
    kind: 'memory',
    pxm: pxm.number(MAX_U32) ?? 0,
    start: range?.start ?? 0n,
    size: range?.size ?? 0n,
    flags: readFlags(flags),
  };
}

/** A number, or a list of names; what is not said is enabled and nothing else. */
function readFlags(field: JsonField): number {
  if (!field.present) return 1;
  if (!Array.isArray(field.value)) return field.number(MAX_U32) ?? 0;
  return field.elements('flags').reduce((flags, each) => {
    const name = each.text();
    if (name !== undefined && Object.hasOwn(FLAGS, name)) return flags | FLAGS[name]!;
    if (name !== undefined) each.wrong(`found ${JSON.stringify(name)}, wanted one of ${Object.keys(FLAGS).join(', ')}`);
    return flags;
  }, 0);
}
