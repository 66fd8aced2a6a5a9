// `-smp` and `-cpu`: how many CPUs there are, how they sit in sockets, dies, cores and threads, and the APIC IDs that
// follow (hw/core/machine-smp.c, include/hw/i386/topology.h).

import type { MachineType } from './machine_config.ts';
import { isIdentifier, lastValue, type OptionList, type Problems, parseInteger, parseUint64 } from './option_text.ts';

/** A possible CPU and its place. */
export interface CpuPlace {
  readonly apicId: number;
  readonly present: boolean;
  readonly socket: number;
  readonly die: number;
  readonly core: number;
  readonly thread: number;
}

export interface CpuTopology {
  readonly places: readonly CpuPlace[];
  readonly sockets: number;
  readonly dies: number;
}

const MACHINES = {
  pc: { name: 'pc-i440fx-7.2', maxCpus: 255 },
  q35: { name: 'pc-q35-7.2', maxCpus: 288 },
} as const;

const KEYS = ['cpus', 'maxcpus', 'sockets', 'dies', 'clusters', 'cores', 'threads'] as const;
type Counts = Record<(typeof KEYS)[number], number>;

/** @param lists every `-smp`; later ones override earlier ones key by key */
export function parseSmp(lists: readonly OptionList[], type: MachineType, problems: Problems): CpuTopology {
  const given = readCounts(lists, problems);
  if (given === null) return lay({ cpus: 1, maxcpus: 1, sockets: 1, dies: 1, clusters: 1, cores: 1, threads: 1 });
  if (KEYS.some((key) => given[key] === 0)) {
    problems.warn(
      null,
      'Deprecated CPU topology (considered invalid): CPU topology parameters must be greater than zero',
    );
  }
  const counts = fillIn(given);
  const refusal = refuse(counts, given, type);
  if (refusal === null) return lay(counts);
  problems.error(null, refusal);
  const cpus = Math.max(1, Math.min(counts.cpus, MACHINES[type].maxCpus));
  return lay({ cpus, maxcpus: cpus, sockets: 1, dies: 1, clusters: 1, cores: cpus, threads: 1 });
}

function readCounts(lists: readonly OptionList[], problems: Problems): Partial<Counts> | null {
  const given: Partial<Counts> = {};
  let failed = false;
  for (const list of lists) {
    for (const [key, text] of list.pairs) {
      const known = KEYS.find((name) => name === key);
      const value = parseInteger(text);
      failed ||= known === undefined || value === null;
      if (known === undefined) problems.error(null, `Parameter 'smp.${key}' is unexpected`);
      else if (value === null) problems.error(null, `Parameter 'smp.${key}' expects integer`);
      // As QEMU: the option is 64 bits wide, the count 32.
      else given[known] = Number(BigInt.asUintN(32, value));
    }
  }
  return failed ? null : given;
}

/** What is not given follows from what is: cores are filled up before sockets. */
function fillIn(given: Partial<Counts>): Counts {
  const dies = given.dies || 1;
  const clusters = given.clusters || 1;
  let { cpus = 0, maxcpus = 0, sockets = 0, cores = 0, threads = 0 } = given;
  const share = (...others: number[]): number =>
    Math.floor(maxcpus / others.reduce((product, n) => product * n, dies * clusters));
  if (cpus === 0 && maxcpus === 0) {
    sockets ||= 1;
    cores ||= 1;
    threads ||= 1;
  } else {
    maxcpus ||= cpus;
    if (cores === 0) {
      sockets ||= 1;
      threads ||= 1;
      cores = share(sockets, threads);
    } else if (sockets === 0) {
      threads ||= 1;
      sockets = share(cores, threads);
    }
    threads ||= share(sockets, cores);
  }
  maxcpus ||= sockets * dies * clusters * cores * threads;
  cpus ||= maxcpus;
  return { cpus, maxcpus, sockets, dies, clusters, cores, threads };
}

function refuse(counts: Counts, given: Partial<Counts>, type: MachineType): string | null {
  const { cpus, maxcpus, sockets, dies, cores, threads } = counts;
  const { name, maxCpus } = MACHINES[type];
  if ((given.clusters ?? 1) > 1) return "clusters not supported by this machine's CPU topology";
  const product = `sockets (${sockets}) * dies (${dies}) * cores (${cores}) * threads (${threads})`;
  if (sockets * dies * cores * threads !== maxcpus) {
    return `Invalid CPU topology: product of the hierarchy must match maxcpus: ${product} != maxcpus (${maxcpus})`;
  }
  if (maxcpus < cpus) {
    return (
      'Invalid CPU topology: maxcpus must be equal to or greater than smp: ' +
      `${product} == maxcpus (${maxcpus}) < smp_cpus (${cpus})`
    );
  }
  const limit = `The max CPUs supported by machine '${name}' is ${maxCpus}`;
  // QEMU prints the count as a signed number.
  if (maxcpus > maxCpus) return `Invalid SMP CPUs ${maxcpus | 0}. ${limit}`;
  return null;
}

/** Bits that hold numbers below `count`. */
const width = (count: number): number => Math.ceil(Math.log2(count));

function lay({ cpus, maxcpus, sockets, dies, cores, threads }: Counts): CpuTopology {
  const coreShift = width(threads);
  const dieShift = coreShift + width(cores);
  const socketShift = dieShift + width(dies);
  const places: CpuPlace[] = [];
  for (let i = 0; i < maxcpus; i++) {
    const thread = i % threads;
    const core = Math.floor(i / threads) % cores;
    const die = Math.floor(i / (threads * cores)) % dies;
    const socket = Math.floor(i / (threads * cores * dies));
    const apicId = (socket << socketShift) | (die << dieShift) | (core << coreShift) | thread;
    places.push({ apicId, present: i < cpus, socket, die, core, thread });
  }
  return { places, sockets, dies };
}

/** What of the CPU's model the memory map depends on. */
export interface CpuModel {
  readonly amd: boolean;
  readonly physBits: number;
  /** CPUID's pdpe1gb: the CPU knows pages of 1 GiB. */
  readonly gbpages: boolean;
  /** CPUID's la57: the CPU knows page tables of five levels. */
  readonly la57: boolean;
}

const AMD_MODELS = ['qemu', 'max', 'base', 'EPYC', 'Opteron', 'phenom', 'athlon'];
const OTHER_MODELS = (
  '486 Broadwell Cascadelake-Server Conroe Cooperlake Denverton Dhyana Haswell Icelake-Server IvyBridge ' +
  'KnightsMill Nehalem Penryn SandyBridge SapphireRapids Skylake-Client Skylake-Server Snowridge Westmere core2duo ' +
  'coreduo host kvm n270 pentium'
).split(' ');
/** Models with pdpe1gb, as QEMU 7.2 under TCG answers query-cpu-model-expansion. */
const GBPAGES_MODELS = (
  'Cascadelake-Server Cooperlake Denverton Dhyana EPYC Icelake-Server KnightsMill Opteron_G4 Opteron_G5 ' +
  'Skylake-Server Snowridge phenom max'
).split(' ');
/** Models with la57, likewise. */
const LA57_MODELS = ['Icelake-Server', 'host', 'max'];
/** Address bits that every model has unless told otherwise. */
const TCG_PHYS_BITS = 40;

/** `-cpu MODEL[,phys-bits=N][,pdpe1gb=on|off][,la57=on|off]`: the other properties change nothing that is seen of memory. */
export function parseCpuModel(list: OptionList | undefined, problems: Problems): CpuModel {
  const model = { amd: true, physBits: TCG_PHYS_BITS, gbpages: false, la57: false };
  if (list === undefined) return model;
  const name = list.pairs[0]?.[1] ?? '';
  const isOf = (models: readonly string[]): boolean =>
    isIdentifier(`x${name}`) && models.some((known) => name.startsWith(known));
  if (!isOf(AMD_MODELS) && !isOf(OTHER_MODELS)) problems.error(null, `unable to find CPU model '${name}'`);
  model.amd = isOf(AMD_MODELS);
  model.gbpages = hasFeature(list, 'pdpe1gb', isOf(GBPAGES_MODELS));
  model.la57 = hasFeature(list, 'la57', isOf(LA57_MODELS));
  const text = lastValue(list, 'phys-bits');
  if (text === undefined) return model;
  const bits = parseUint64(text);
  if (bits === null) {
    problems.error(
      null,
      `can't apply global ${name}-x86_64-cpu.phys-bits=${text}: Parameter 'phys-bits' expects uint64`,
    );
  } else if (bits < 32n || bits > 52n) {
    problems.error(null, `phys-bits should be between 32 and 52  (but is ${bits})`);
  } else model.physBits = Number(bits);
  return model;
}

/** As the model has it, unless a later `name=on`, `+name` or their like says otherwise. */
function hasFeature(list: OptionList, name: string, ofModel: boolean): boolean {
  let has = ofModel;
  for (const [key, value] of list.pairs.slice(1)) {
    if (key === name) has = value === 'on';
    else if (key === `+${name}`) has = true;
    else if (key === `-${name}`) has = false;
  }
  return has;
}
