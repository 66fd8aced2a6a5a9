// QEMU 7.2's topology options, taken as QEMU takes them and refused in its words: -machine, -m, -smp, -cpu, -object,
// -numa, -device pc-dimm. Without any option the machine is pgdat's default: pc, 4 GiB, two CPUs, two nodes; with any,
// what is missing has QEMU's defaults (128 MiB, one CPU, no nodes).
//
// Differs from QEMU: it stops at the first problem, here all are named; more than 254 CPUs need no accelerator's help;
// devices and other parts of a PC that have no say in the memory map are not options of this machine.

import {
  type CpuSlot,
  type Hmat,
  type MachineConfig,
  type MachineType,
  type NumaNode,
  noOverrides,
} from './machine_config.ts';
import { hex, type OptionList, Problems, parseList, parseSize } from './option_text.ts';
import { type CpuModel, type CpuTopology, parseCpuModel, parseSmp } from './qemu_cpus.ts';
import { checkDevices, type MemoryBackend, type MemoryOption, parseMemory, parseObjects } from './qemu_memory.ts';
import { distanceMatrix, type Numa, parseNuma } from './qemu_numa.ts';
import { FOUR_GIB, LOW_RAM_LIMIT, layOutRam, lowRamWarnings } from './ram_layout.ts';

export type ParsedOptions =
  | { readonly config: MachineConfig; readonly warnings: readonly string[] }
  | { readonly errors: readonly string[] };

/** The machine of `pgdat boot` without options. */
const DEFAULT_OPTIONS =
  '-machine pc -m 4G -smp 2 -object memory-backend-ram,id=m0,size=2G -object memory-backend-ram,id=m1,size=2G ' +
  '-numa node,nodeid=0,cpus=0,memdev=m0 -numa node,nodeid=1,cpus=1,memdev=m1';

interface Grammar {
  readonly name: string;
  /** Key of a first part without `=`. */
  readonly firstKey: string;
  /** keyval syntax. */
  readonly strict: boolean;
}

const OPTIONS: Readonly<Record<string, Grammar>> = {
  '-M': { name: 'machine', firstKey: 'type', strict: true },
  '-machine': { name: 'machine', firstKey: 'type', strict: true },
  '-m': { name: 'm', firstKey: 'size', strict: false },
  '-smp': { name: 'smp', firstKey: 'cpus', strict: true },
  '-cpu': { name: 'cpu', firstKey: 'model', strict: false },
  '-object': { name: 'object', firstKey: 'qom-type', strict: true },
  '-numa': { name: 'numa', firstKey: 'type', strict: false },
  '-device': { name: 'device', firstKey: 'driver', strict: false },
};

/** Taken and left alone, so that whole QEMU command lines can be pasted: they change nothing that firmware reports. */
const IGNORED_FLAGS = ['-enable-kvm', '-nodefaults', '-nographic', '-no-reboot', '-no-shutdown', '-S', '-s'];
const IGNORED_WITH_ARGUMENT = ['-accel', '-display', '-monitor', '-name', '-serial', '-vga'];
/** What is taken, for a help text. */
export const QEMU_OPTION_NAMES = Object.keys(OPTIONS);
export const QEMU_IGNORED_NAMES = [...IGNORED_FLAGS, ...IGNORED_WITH_ARGUMENT].sort();

/** Parts of QEMU that this machine has not. */
const UNSUPPORTED_FLAGS = words(
  'daemonize full-screen no-acpi no-fd-bootchk no-hpet only-migratable singlestep snapshot usb',
);
const UNSUPPORTED_WITH_ARGUMENT = words(
  'acpitable action add-fd audio audiodev bios blockdev boot cdrom chardev chroot compat D d debugcon dfilter dtb echr ' +
    'fda fdb fsdev fw_cfg g gdb global hda hdb hdc hdd icount incoming initrd iscsi k kernel L loadvm mem-path ' +
    'mon msg mtdblock net netdev nic overcommit parallel pflash pidfile plugin qmp qmp-pretty readconfig rtc ' +
    'run-with runas sandbox sd seed semihosting-config set smbios soundhw spice tb-size tpmdev trace usbdevice uuid ' +
    'virtfs vnc watchdog watchdog-action xen-domid drive',
);

function words(text: string): string[] {
  return text.split(' ').map((word) => `-${word}`);
}

/** The physical address space that this machine can hold, whatever its CPU claims. */
const ADDRESS_LIMIT = 2 ** 46;

/**
 * @param argv options and their arguments; two dashes are as good as one
 * @param hint what to add where there is no such option
 */
export function parseQemuOptions(argv: readonly string[], hint = (_option: string): string => ''): ParsedOptions {
  if (argv.length === 0) return parseQemuOptions(splitOptions(DEFAULT_OPTIONS));
  const problems = new Problems();
  const lists = readOptions(argv, hint, problems);
  const machine = parseMachine(lists.machine ?? [], problems);
  const model = parseCpuModel(lists.cpu?.at(-1), problems);
  const topology = parseSmp(lists.smp ?? [], machine.type, problems);
  const backends = parseObjects(lists.object ?? [], problems);
  const memory = takeWholeBackend(machine, backends, parseMemory(lists.m ?? [], problems), problems);
  const around = {
    topology,
    backends,
    hmatEnabled: machine.hmat,
    oneBackend: machine.backend !== null,
    ramSize: memory?.size ?? null,
  };
  const numa = parseNuma(lists.numa ?? [], around, problems);
  const placed = memory === null ? null : place(machine, model, memory, problems);
  // Slots or room for more memory turn on NUMA with one node.
  if (memory !== null && numa.nodes.size === 0 && (memory.slots > 0n || memory.maxSize > memory.size)) {
    numa.nodes.set(0, { memory: memory.size, initiator: machine.hmat ? 0 : null, hasCpu: true });
    numa.cpuNode.fill(0);
  }
  if (memory !== null && placed !== null) {
    const base = placed.devices?.start ?? FOUR_GIB;
    checkDevices(lists.device ?? [], { backends, nodes: numa.nodes.size, memory, base }, problems);
  }
  if (problems.errors.length > 0 || placed === null) return { errors: problems.errors };
  const nodes = nodesOf(numa);
  const config: MachineConfig = {
    ...noOverrides,
    type: machine.type,
    cpus: slotsOf(topology, numa),
    sockets: topology.sockets,
    nodes,
    distances: distanceMatrix(numa),
    hmat: machine.hmat && nodes.length > 0 ? hmatOf(numa) : null,
    hpet: machine.hpet,
    gbpages: model.gbpages,
    la57: model.la57,
    layout: placed,
  };
  return { config, warnings: problems.warnings };
}

/** Cuts a command line at blanks; quotes of either kind keep them. */
export function splitOptions(text: string): string[] {
  const words = text.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? [];
  return words.map((word) => word.replace(/"([^"]*)"|'([^']*)'/g, '$1$2'));
}

function readOptions(
  argv: readonly string[],
  hint: (option: string) => string,
  problems: Problems,
): Record<string, OptionList[]> {
  const lists: Record<string, OptionList[]> = {};
  for (let i = 0; i < argv.length; i++) {
    const written = argv[i]!;
    const option = written.replace(/^--/, '-');
    if (IGNORED_FLAGS.includes(option)) continue;
    const grammar = Object.hasOwn(OPTIONS, option) ? OPTIONS[option] : undefined;
    const unsupported = UNSUPPORTED_WITH_ARGUMENT.includes(option);
    if (unsupported || UNSUPPORTED_FLAGS.includes(option)) {
      problems.error(written, 'not supported here');
      if (unsupported) i++;
      continue;
    }
    if (grammar === undefined && !IGNORED_WITH_ARGUMENT.includes(option)) {
      problems.error(written, `invalid option${hint(written)}`);
      // What may be its argument is no mistake of its own.
      if (written.startsWith('-') && argv[i + 1]?.startsWith('-') === false) i++;
      continue;
    }
    const argument = argv[++i];
    if (argument === undefined) problems.error(written, 'requires an argument');
    else if (grammar !== undefined) {
      lists[grammar.name] ??= [];
      lists[grammar.name]!.push(parseList(written, argument, grammar.firstKey, grammar.strict, problems));
    }
  }
  return lists;
}

interface MachineOption {
  type: MachineType;
  hmat: boolean;
  hpet: boolean;
  /** `memory-backend=`: one object holds all RAM. */
  backend: string | null;
  maxBelow4g: number | null;
}

const MACHINE_TYPES: Readonly<Record<string, MachineType>> = {
  pc: 'pc',
  'pc-i440fx-7.2': 'pc',
  q35: 'q35',
  'pc-q35-7.2': 'q35',
};
const MACHINE_FLAGS = ['hmat', 'hpet', 'dump-guest-core', 'graphics', 'mem-merge', 'smm', 'usb', 'vmport'];
const MACHINE_IGNORED = ['accel', 'kernel-irqchip', 'kernel_irqchip'];

function parseMachine(lists: readonly OptionList[], problems: Problems): MachineOption {
  const machine: MachineOption = { type: 'pc', hmat: false, hpet: true, backend: null, maxBelow4g: null };
  let typeName = 'pc-i440fx-7.2';
  const pairs = lists.flatMap((list) => list.pairs);
  for (const [key, value] of pairs) {
    if (key !== 'type') continue;
    const type = Object.hasOwn(MACHINE_TYPES, value) ? MACHINE_TYPES[value] : undefined;
    if (type === undefined) problems.error(null, 'unsupported machine type\nThe machines are pc and q35');
    else machine.type = type;
    typeName = machine.type === 'pc' ? 'pc-i440fx-7.2' : 'pc-q35-7.2';
  }
  for (const [key, value] of pairs) {
    if (MACHINE_FLAGS.includes(key)) {
      const isFlag = value === 'on' || value === 'off' || (value === 'auto' && (key === 'smm' || key === 'vmport'));
      if (!isFlag) problems.error(null, `Parameter '${key}' expects 'on' or 'off'`);
      else if (key === 'hmat' || key === 'hpet') machine[key] = value === 'on';
    } else if (key === 'memory-backend') machine.backend = value;
    else if (key === 'max-ram-below-4g') {
      const size = parseSize(value, 'B');
      if (typeof size !== 'bigint') problems.error(null, `Parameter '${key}' expects size`);
      else if (size > BigInt(FOUR_GIB)) {
        problems.error(null, `Machine option 'max-ram-below-4g=${size}' expects size less than or equal to 4G`);
      } else machine.maxBelow4g = size === 0n ? null : Number(size);
    } else if (key !== 'type' && !MACHINE_IGNORED.includes(key)) {
      problems.error(null, `Property '${typeName}-machine.${key}' not found`);
    }
  }
  return machine;
}

/** `-machine memory-backend=`: the object must be there, and gives the size if `-m` does not. */
function takeWholeBackend(
  machine: MachineOption,
  backends: Map<string, MemoryBackend | null>,
  memory: MemoryOption | null,
  problems: Problems,
): MemoryOption | null {
  if (machine.backend === null) return memory;
  const backend = backends.get(machine.backend);
  if (backend === undefined) problems.error(null, `Memory backend '${machine.backend}' not found`);
  if (!backend || memory === null) return memory;
  backend.busy = true;
  if (memory.given && memory.size !== backend.size) {
    problems.error(null, 'Machine memory size does not match the size of the memory backend');
  }
  if (memory.given) return memory;
  return { ...memory, size: backend.size, maxSize: memory.maxSize === memory.size ? backend.size : memory.maxSize };
}

function place(machine: MachineOption, model: CpuModel, memory: MemoryOption, problems: Problems) {
  const tooLow = (used: number | bigint) =>
    `Address space limit ${hex(2 ** model.physBits - 1)} < ${hex(used)} phys-bits too low (${model.physBits})`;
  // Sizes that no 52-bit address reaches are left to exact arithmetic.
  if (memory.maxSize >= 2n ** 52n) {
    problems.error(null, tooLow(memory.maxSize));
    return null;
  }
  const { layout, maxUsedAddress } = layOutRam({
    type: machine.type,
    size: Number(memory.size),
    maxSize: Number(memory.maxSize),
    slots: Number(memory.slots),
    maxBelow4g: machine.maxBelow4g,
    amd: model.amd,
    physBits: model.physBits,
  });
  const end = layout.ram.at(-1)!.end;
  if (maxUsedAddress >= 2 ** model.physBits) problems.error(null, tooLow(maxUsedAddress));
  else if (end > ADDRESS_LIMIT) {
    problems.error('-m', `RAM would end at ${hex(end)}, the limit is ${hex(ADDRESS_LIMIT)} (64 TiB)`);
  }
  if (layout.below4g >= LOW_RAM_LIMIT) {
    const wanted = `Machine option 'max-ram-below-4g=${machine.maxBelow4g}'`;
    problems.error(null, `${wanted} puts RAM up to ${hex(layout.below4g)}, it must end below ${hex(LOW_RAM_LIMIT)}`);
  }
  for (const text of lowRamWarnings(machine.type, Number(memory.size), machine.maxBelow4g)) problems.warn(null, text);
  return layout;
}

const slotsOf = (topology: CpuTopology, numa: Numa): CpuSlot[] =>
  topology.places.map(({ apicId, present }, i) => ({
    apicId,
    present,
    node: numa.nodes.size > 0 ? (numa.cpuNode[i] ?? 0) : null,
  }));

const nodesOf = (numa: Numa): NumaNode[] =>
  Array.from({ length: numa.nodes.size }, (_, id) => {
    const node = numa.nodes.get(id)!;
    return { memory: Number(node.memory), initiator: node.initiator };
  });

const hmatOf = ({ nodes, hmat }: Numa): Hmat => ({
  initiators: [...nodes.keys()].sort((a, b) => a - b).filter((id) => nodes.get(id)!.hasCpu),
  localities: [...hmat!.localities].sort((a, b) => a.hierarchy - b.hierarchy || a.dataType - b.dataType),
  caches: [...hmat!.caches].sort((a, b) => a.node - b.node || a.level - b.level),
});
