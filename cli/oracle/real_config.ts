// A machine to boot in place of a real one: its e820 with what its own kernel did to it early, its SRAT, a MADT with
// the processors that SRAT names, and RAM where the map says that there is some.

import type { E820Entry, MachineConfig, MadtCpu, SratEntry } from '../../emu/config/machine_config.ts';
import { noOverrides } from '../../emu/config/machine_config.ts';
import type { AddressRange } from '../../emu/memory.ts';
import { PAGE_SIZE, round_up, SZ_4G } from '../../kernel/include/types.ts';
import type { E820Line } from './boot_case.ts';
import { applyUpdates } from './e820_updates.ts';
import { E820_TYPE_NAMES } from './firmware_view.ts';
import type { RealMachine, SratCpu, SratMemory } from './real_case.ts';

// ACPI 6.5, 5.2.16: flags of SRAT entries
const ENABLED = 1;
const HOT_PLUGGABLE = 2;
const NON_VOLATILE = 4;
/** Local APIC ids from here on need an x2APIC, which this machine's CPUs have not. */
const FIRST_X2APIC_ID = 0xff;
/** Where the tables go: read-only memory of a BIOS, which no map calls usable. */
const TABLES_AT = 0xe1000;

export function realMachineConfig(machine: RealMachine): MachineConfig {
  const map = applyUpdates(machine.e820, machine.early_updates);
  const { mem } = machine.srat;
  const cpus = sratProcessors(machine.srat);
  const apics = cpus.length > 0 ? cpus.map((cpu) => cpu.apic) : [0];
  const ram = ramBehind(map);
  const below4g = ram[0]!.end;
  return {
    ...noOverrides,
    type: 'q35',
    cpus: apics.map((apicId) => ({ apicId, present: true, node: null })),
    sockets: 1,
    nodes: [],
    distances: null,
    hmat: null,
    hpet: false,
    gbpages: true,
    la57: false,
    layout: {
      below4g,
      above4g: ram.slice(1).reduce((sum, range) => sum + range.end - range.start, 0),
      above4gStart: SZ_4G,
      devices: null,
      hypertransport: false,
      ram,
    },
    e820: map.map(e820Entry),
    srat:
      cpus.length + mem.length === 0 ? null : { revision: 3, entries: [...cpus.map(sratCpu), ...mem.map(sratMemory)] },
    acpi: cpus.length + mem.length === 0 ? { SRAT: null, SLIT: null } : { SLIT: null },
    madtCpus: apics.map(madtCpu),
    tablesAt: TABLES_AT,
  };
}

/** A type that no name is known of comes as "type N". */
export function e820Entry({ start, end, type }: E820Line): E820Entry {
  const known = Object.entries(E820_TYPE_NAMES).find(([, name]) => name === type);
  const number = known !== undefined ? Number(known[0]) : Number(/^type (\d+)$/.exec(type)?.[1] ?? 2);
  return { start, size: end - start + 1n, type: number };
}

/**
 * The processors in SRAT. Where the log printed none, one for each node up to the highest, in the order of the nodes:
 * the kernel numbers nodes as their proximity domains appear, processors first, so this gives each domain its number.
 * Where a processor has an id that only an x2APIC can have, the first of each domain, numbered from 0: how many there
 * are, and what they are called, has no say in the layout.
 */
export function sratProcessors(srat: { mem: readonly SratMemory[]; cpus: readonly SratCpu[] }): SratCpu[] {
  const { mem, cpus } = srat;
  if (cpus.some(({ apic }) => apic >= FIRST_X2APIC_ID)) {
    const first = cpus.filter(({ pxm }, i) => cpus.findIndex((other) => other.pxm === pxm) === i);
    return first.map((cpu, i) => ({ ...cpu, apic: i }));
  }
  if (cpus.length > 0 || mem.length === 0) return [...cpus];
  const nodes = Math.max(...mem.map((one) => one.node)) + 1;
  let unused_pxm = Math.max(...mem.map((one) => one.pxm));
  return Array.from({ length: nodes }, (_, node) => ({
    node,
    pxm: mem.find((one) => one.node === node)?.pxm ?? ++unused_pxm,
    apic: node,
  }));
}

const sratCpu = ({ pxm, apic }: SratCpu): SratEntry => ({ kind: 'apic', pxm, apicId: apic, flags: ENABLED });

const sratMemory = ({ pxm, start, end, hotplug, non_volatile }: SratMemory): SratEntry => ({
  kind: 'memory',
  pxm,
  start: BigInt(start),
  size: BigInt(end - start),
  flags: ENABLED | (hotplug ? HOT_PLUGGABLE : 0) | (non_volatile ? NON_VOLATILE : 0),
});

const madtCpu = (apicId: number, uid: number): MadtCpu => ({ kind: 'apic', apicId, uid, flags: ENABLED });

/** One stretch up to the last usable byte below 4 GiB, then each usable range above, whole pages. */
function ramBehind(map: readonly E820Line[]): AddressRange[] {
  const usable = map
    .filter((line) => line.type === 'usable')
    .map((line) => ({ start: Number(line.start), end: Number(line.end) + 1 }));
  const low = usable.filter((range) => range.start < SZ_4G).map((range) => Math.min(range.end, SZ_4G));
  const ranges: { start: number; end: number }[] = [{ start: 0, end: round_up(Math.max(0x100000, ...low), PAGE_SIZE) }];
  for (const range of usable) {
    if (range.end <= SZ_4G) continue;
    const start = Math.max(range.start - (range.start % PAGE_SIZE), SZ_4G);
    const end = round_up(range.end, PAGE_SIZE);
    const last = ranges.at(-1)!;
    if (start <= last.end && last.end > SZ_4G) last.end = Math.max(last.end, end);
    else ranges.push({ start, end });
  }
  return ranges;
}
