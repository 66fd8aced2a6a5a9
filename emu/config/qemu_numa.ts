// `-numa node|cpu|dist`: nodes, their memory and CPUs, and the distances between them (hw/core/numa.c). `hmat-lb` and
// `hmat-cache` go on to qemu_hmat.ts. Options are taken in the order given, as each may lean on those before it.

import { Fields } from './option_fields.ts';
import { hex, type OptionList, type Problems, parseInteger } from './option_text.ts';
import type { CpuTopology } from './qemu_cpus.ts';
import { type HmatBuilder, MAX_NODES, parseHmatCache, parseHmatLocality } from './qemu_hmat.ts';
import type { MemoryBackend } from './qemu_memory.ts';

const MIN_DISTANCE = 10;
const LOCAL_DISTANCE = 10;

export interface NodeOption {
  memory: bigint;
  initiator: number | null;
  hasCpu: boolean;
}

/** The state that the options of one command line build up. */
export interface Numa {
  readonly nodes: Map<number, NodeOption>;
  /** Node of each CPU place, null while none is named. */
  readonly cpuNode: (number | null)[];
  /** Distances given, keyed by source * MAX_NODES + destination. */
  readonly given: Map<number, number>;
  readonly hmat: HmatBuilder | null;
}

export interface NumaSurroundings {
  readonly topology: CpuTopology;
  readonly backends: Map<string, MemoryBackend | null>;
  readonly hmatEnabled: boolean;
  /** `-machine memory-backend=` is in use. */
  readonly oneBackend: boolean;
  readonly ramSize: bigint | null;
}

const HMAT_DISABLED =
  'ACPI Heterogeneous Memory Attribute Table (HMAT) is disabled, enable it with -machine hmat=on before using any of hmat specific options';

export function parseNuma(lists: readonly OptionList[], around: NumaSurroundings, problems: Problems): Numa {
  const numa: Numa = {
    nodes: new Map(),
    cpuNode: around.topology.places.map(() => null),
    given: new Map(),
    hmat: around.hmatEnabled ? { localities: [], caches: [], provided: new Map() } : null,
  };
  const state = { ...around, numa, problems, memoryKnown: true };
  for (const list of lists) {
    const fields = new Fields(list, problems);
    const kinds = ['node', 'dist', 'cpu', 'hmat-lb', 'hmat-cache'];
    const kind = kinds[fields.required('type', (key) => fields.choice(key, kinds)) ?? -1];
    if (kind === 'node') parseNode(fields, state);
    else if (kind === 'dist') parseDistance(fields, numa);
    else if (kind === 'cpu') parseCpu(fields, state);
    else if (kind !== undefined && numa.hmat === null) fields.refuse(HMAT_DISABLED);
    else if (kind === 'hmat-lb') parseHmatLocality(fields, numa.nodes, numa.hmat!);
    else if (kind === 'hmat-cache') parseHmatCache(fields, numa.nodes, numa.hmat!);
  }
  complete(state);
  return numa;
}

interface State extends NumaSurroundings {
  readonly numa: Numa;
  readonly problems: Problems;
  /** false once a node's memory could not be made out: its sum is then not worth a complaint. */
  memoryKnown: boolean;
}

function parseNode(fields: Fields, state: State): undefined {
  const { nodes } = state.numa;
  const given = fields.uint16('nodeid');
  const cpus = fields.uint16List('cpus');
  const mem = fields.size('mem');
  const memdev = fields.text('memdev');
  const initiator = fields.uint16('initiator');
  fields.end();
  // What QEMU's parser refuses never comes to be, but what other options say of the node should not be refused for it.
  const id = given ?? nodes.size;
  if (id >= MAX_NODES) return fields.refuse(`Max number of NUMA nodes reached: ${id}`);
  if (nodes.has(id)) return fields.refuse(`Duplicate NUMA nodeid: ${id}`);
  const node: NodeOption = { memory: 0n, initiator: null, hasCpu: false };
  nodes.set(id, node);

  for (const cpu of cpus) {
    const limit = state.topology.places.length;
    if (cpu >= limit) {
      fields.refuse(`CPU index (${cpu}) should be smaller than maxcpus (${limit})`);
      break;
    }
    const refusal = assign(state, cpu, id);
    if (refusal !== null) fields.refuse(refusal);
  }
  if (mem !== undefined) {
    state.memoryKnown = false;
    fields.refuse(
      memdev !== undefined
        ? 'numa configuration should use either mem= or memdev=,mixing both is not allowed'
        : 'Parameter -numa node,mem is not supported by this machine type\nUse -numa node,memdev instead',
    );
  } else if (memdev !== undefined) takeBackend(fields, memdev, node, state);
  if (initiator === undefined) return;
  if (!state.hmatEnabled) fields.refuse(HMAT_DISABLED);
  else if (initiator >= MAX_NODES) {
    fields.refuse(`The initiator id ${initiator} expects an integer between 0 and ${MAX_NODES - 1}`);
  } else if (node.hasCpu && initiator !== id) {
    fields.refuse(`The initiator of CPU NUMA node ${id} should be itself (got ${initiator})`);
  } else node.initiator = initiator;
}

function takeBackend(fields: Fields, memdev: string, node: NodeOption, state: State): void {
  if (state.oneBackend) {
    state.problems.error(null, "'-machine memory-backend' and '-numa memdev' properties are mutually exclusive");
  }
  const backend = state.backends.get(memdev);
  if (backend) {
    node.memory = backend.size;
    if (backend.busy) state.problems.error(null, `memory backend ${memdev} can't be used multiple times.`);
    backend.busy = true;
    return;
  }
  state.memoryKnown = false;
  if (backend === undefined) fields.refuse(`memdev=${memdev} is ambiguous`);
}

/** Puts a CPU on a node. @returns QEMU's refusal, or null */
function assign(state: Pick<State, 'numa' | 'hmatEnabled'>, cpu: number, id: number): string | null {
  const { cpuNode, nodes } = state.numa;
  const before = cpuNode[cpu] ?? null;
  if (before !== null && before !== id) return `CPU is already assigned to node-id: ${before}`;
  cpuNode[cpu] = id;
  const node = nodes.get(id)!;
  node.hasCpu = true;
  if (!state.hmatEnabled) return null;
  if (node.initiator !== null && node.initiator !== id) {
    return `The initiator of CPU NUMA node ${id} should be itself (got ${node.initiator})`;
  }
  node.initiator = id;
  return null;
}

const CPU_KEYS = ['node-id', 'socket-id', 'die-id', 'cluster-id', 'core-id', 'thread-id'];

/** `-numa cpu`: every place that matches what is given goes to the node. */
function parseCpu(fields: Fields, state: State): undefined {
  const values: Record<string, number> = {};
  for (const key of CPU_KEYS) {
    const text = fields.text(key);
    if (text === undefined) continue;
    const value = parseInteger(text);
    if (value === null) fields.refuse(`Parameter '${key}' expects an int64 value`);
    else values[key] = Number(value);
  }
  fields.end();
  if (fields.failed) return;
  const node = values['node-id'];
  if (node === undefined) return fields.refuse('Missing mandatory node-id property');
  if (!state.numa.nodes.has(node)) {
    const rule = "NUMA node must be defined with -numa node,nodeid=ID before it's used with -numa cpu,node-id=ID";
    return fields.refuse(`Invalid node-id=${node}, ${rule}`);
  }
  if (values['die-id'] !== undefined && state.topology.dies === 1) fields.refuse('die-id is not supported');
  if (values['cluster-id'] !== undefined) fields.refuse('cluster-id is not supported');
  if (fields.failed) return;
  const matches = (key: string, value: number): boolean => values[key] === undefined || values[key] === value;
  let matched = false;
  for (const [i, place] of state.topology.places.entries()) {
    if (!matches('socket-id', place.socket) || !matches('die-id', place.die)) continue;
    if (!matches('core-id', place.core) || !matches('thread-id', place.thread)) continue;
    matched = true;
    const refusal = assign(state, i, node);
    if (refusal !== null) return fields.refuse(refusal);
  }
  if (!matched) fields.refuse('no match found');
}

function parseDistance(fields: Fields, { nodes, given }: Numa): void {
  const src = fields.required('src', fields.uint16);
  const dst = fields.required('dst', fields.uint16);
  const val = fields.required('val', fields.uint8);
  fields.end();
  for (const [key, node] of [['src', src] as const, ['dst', dst] as const]) {
    if ((node ?? 0) < MAX_NODES) continue;
    fields.refuse(`Parameter '${key}' expects an integer between 0 and ${MAX_NODES - 1}`);
  }
  if (fields.failed || src === undefined || dst === undefined || val === undefined) return;
  if (!nodes.has(src) || !nodes.has(dst)) {
    fields.refuse("Source/Destination NUMA node is missing. Please use '-numa node' option to declare it first.");
  }
  if (val < MIN_DISTANCE) {
    fields.refuse(`NUMA distance (${val}) is invalid, it shouldn't be less than ${MIN_DISTANCE}.`);
  } else if (src === dst && val !== LOCAL_DISTANCE) {
    fields.refuse(`Local distance of node ${src} should be ${LOCAL_DISTANCE}.`);
  }
  given.set(src * MAX_NODES + dst, val);
}

/** What can be said only once all options are known. */
function complete(state: State): void {
  const { numa, problems, topology } = state;
  const { nodes, cpuNode } = numa;
  if (nodes.size === 0) return;
  const count = Math.max(...nodes.keys()) + 1;
  for (let id = count - 1; id >= 0; id--) if (!nodes.has(id)) problems.error(null, `numa: Node ID missing: ${id}`);

  const total = [...nodes.values()].reduce((sum, node) => sum + node.memory, 0n);
  if (state.memoryKnown && state.ramSize !== null && total !== state.ramSize) {
    const ram = `should equal RAM size (${hex(state.ramSize)})`;
    problems.error(null, `total memory for NUMA nodes (${hex(total)}) ${ram}`);
  }
  checkDistances(numa, count, problems);

  const unnamed = topology.places.filter((_, i) => cpuNode[i] === null);
  if (unnamed.length === topology.places.length) {
    // No CPU is on a node by name: whole sockets go to the nodes in turn.
    for (const [i, place] of topology.places.entries()) {
      const id = place.socket % count;
      const refusal = nodes.has(id) ? assign(state, i, id) : null;
      if (refusal !== null) problems.error(null, refusal);
    }
  } else if (unnamed.length > 0) {
    const names = topology.places.flatMap((place, i) => {
      const die = topology.dies > 1 ? `die-id: ${place.die}, ` : '';
      const at = `socket-id: ${place.socket}, ${die}core-id: ${place.core}, thread-id: ${place.thread}`;
      return cpuNode[i] === null ? [`CPU ${i} [${at}]`] : [];
    });
    problems.warn(null, `CPU(s) not present in any NUMA nodes: ${names.join(', ')}`);
    problems.warn(
      null,
      'All CPU(s) up to maxcpus should be described in NUMA config, ability to start up with partial NUMA mappings is obsoleted and will be removed in future',
    );
    for (const i of cpuNode.keys()) cpuNode[i] ??= 0;
  }
  for (const [id, { initiator }] of [...nodes].sort(([a], [b]) => a - b)) {
    if (initiator === null) continue;
    const target = nodes.get(initiator);
    if (target === undefined) {
      problems.error(null, `NUMA node ${initiator} is missing, use '-numa node' option to declare it first`);
    } else if (!target.hasCpu) problems.error(null, `The initiator of NUMA node ${id} is invalid`);
  }
}

function checkDistances({ given }: Numa, count: number, problems: Problems): void {
  if (given.size === 0) return;
  const at = (src: number, dst: number): number | undefined => given.get(src * MAX_NODES + dst);
  let asymmetric = false;
  let oneWay = false;
  for (let src = 0; src < count; src++) {
    for (let dst = src + 1; dst < count; dst++) {
      const there = at(src, dst);
      const back = at(dst, src);
      if (there === undefined && back === undefined) {
        problems.error(
          null,
          `The distance between node ${src} and ${dst} is missing, at least one distance value between each nodes should be provided.`,
        );
      } else if (there === undefined || back === undefined) oneWay = true;
      else if (there !== back) asymmetric = true;
    }
  }
  if (!asymmetric || !oneWay) return;
  problems.error(
    null,
    'At least one asymmetrical pair of distances is given, please provide distances for both directions of all node pairs.',
  );
}

/** The whole matrix, what was not given filled in; null if nothing was given. */
export function distanceMatrix({ given, nodes }: Numa): number[][] | null {
  if (given.size === 0) return null;
  const at = (src: number, dst: number): number | undefined => given.get(src * MAX_NODES + dst);
  return Array.from({ length: nodes.size }, (_, src) =>
    Array.from({ length: nodes.size }, (_, dst) =>
      src === dst ? LOCAL_DISTANCE : (at(src, dst) ?? at(dst, src) ?? LOCAL_DISTANCE),
    ),
  );
}
