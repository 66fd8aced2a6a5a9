// `-numa hmat-lb` and `-numa hmat-cache`: latencies, bandwidths and memory-side caches for the HMAT (hw/core/numa.c).
//
// The table stores a value as a 16-bit multiple of one base unit for all entries of a structure, so each new value may
// shrink the base and is refused where old and new no longer fit the 16 bits together.

import type { HmatCache } from './machine_config.ts';
import type { Fields } from './option_fields.ts';

export const MAX_NODES = 128;
const MiB = 2n ** 20n;
/** Entries are below this; the value itself means "not reachable". */
const ENTRY_LIMIT = 0xffffn;
const MAX_CACHE_LEVEL = 3;

const HIERARCHIES = ['memory', 'first-level', 'second-level', 'third-level'];
const DATA_TYPES = [
  'access-latency',
  'read-latency',
  'write-latency',
  'access-bandwidth',
  'read-bandwidth',
  'write-bandwidth',
];
const FIRST_BANDWIDTH = 3;
const ASSOCIATIVITIES = ['none', 'direct', 'complex'];
const POLICIES = ['none', 'write-back', 'write-through'];

/** A structure of one hierarchy and data type, as far as options have filled it. */
export interface LocalityBuilder {
  readonly hierarchy: number;
  readonly dataType: number;
  base: bigint;
  /** Latency: the largest value in base units. Bandwidth: all values or-ed together. */
  range: bigint;
  readonly entries: { initiator: number; target: number; value: bigint }[];
}

export interface HmatBuilder {
  readonly localities: LocalityBuilder[];
  readonly caches: HmatCache[];
  /** What is known of each target: bit 0 latency, bit 1 bandwidth. */
  readonly provided: Map<number, number>;
}

type Nodes = ReadonlyMap<number, { readonly hasCpu: boolean }>;

export function parseHmatLocality(fields: Fields, nodes: Nodes, hmat: HmatBuilder): undefined {
  const initiator = fields.required('initiator', fields.uint16);
  const target = fields.required('target', fields.uint16);
  const hierarchy = fields.required('hierarchy', (key) => fields.choice(key, HIERARCHIES));
  const dataType = fields.required('data-type', (key) => fields.choice(key, DATA_TYPES));
  const latency = fields.uint('latency', 64);
  const bandwidth = fields.size('bandwidth');
  fields.end();
  if (initiator !== undefined && !nodes.get(initiator)?.hasCpu) {
    fields.refuse(`Invalid initiator=${initiator}, it isn't an initiator proximity domain`);
  }
  if (target !== undefined && !nodes.has(target)) {
    fields.refuse(`The target=${target} should point to an existing node`);
  }
  if (dataType === undefined) return;
  const isLatency = dataType < FIRST_BANDWIDTH;
  const [name, other] = isLatency ? ['latency', 'bandwidth'] : ['bandwidth', 'latency'];
  const value = isLatency ? latency : bandwidth;
  if (fields.failed) return;
  if (value === undefined) return fields.refuse(`Missing '${name}' option`);
  if ((isLatency ? bandwidth : latency) !== undefined) {
    return fields.refuse(`Invalid option '${other}' since the data type is ${name}`);
  }
  if (initiator === undefined || target === undefined || hierarchy === undefined) return;
  const pair = `between initiator=${initiator} and target=${target}`;
  if (!isLatency && value % MiB !== 0n) return fields.refuse(`Bandwidth ${value} ${pair} should be 1MB aligned`);

  let locality = hmat.localities.find((each) => each.hierarchy === hierarchy && each.dataType === dataType);
  if (locality === undefined) {
    locality = { hierarchy, dataType, base: 0n, range: 0n, entries: [] };
    hmat.localities.push(locality);
  }
  if (locality.entries.some((entry) => entry.initiator === initiator && entry.target === target)) {
    return fields.refuse(`Duplicate configuration of the ${name} for initiator=${initiator} and target=${target}`);
  }
  if (value !== 0n) {
    if (!(isLatency ? fitLatency(locality, value) : fitBandwidth(locality, value))) {
      const what = isLatency
        ? `Latency ${value} ${pair} should not differ from previously entered min or max values on more than`
        : `Bandwidth ${value} ${pair} should not differ from previously entered values on more than`;
      return fields.refuse(`${what} ${ENTRY_LIMIT - 1n}`);
    }
    hmat.provided.set(target, (hmat.provided.get(target) ?? 0) | (isLatency ? 1 : 2));
  } else if (locality.base === 0n) locality.base = isLatency ? 2n ** 64n - 1n : 1n;
  locality.entries.push({ initiator, target, value });
}

/**
 * The base of latencies is the largest power of ten that divides them all. As in QEMU, whether a value fits is judged by
 * the base before it, so that the first always fits.
 */
function fitLatency(locality: LocalityBuilder, value: bigint): boolean {
  let unit = 1n;
  while (value % (unit * 10n) === 0n) unit *= 10n;
  const scaled = locality.base === 0n ? 0n : value / locality.base;
  const largest = scaled > locality.range ? scaled : locality.range;
  if (largest >= ENTRY_LIMIT) return false;
  if (locality.base === 0n || unit < locality.base) locality.base = unit;
  locality.range = largest;
  return true;
}

/** The base of bandwidths is the largest power of two that divides them all. */
function fitBandwidth(locality: LocalityBuilder, value: bigint): boolean {
  const bits = locality.range | value;
  const base = bits & -bits;
  const span = (bits / base).toString(2).length;
  if (span > 16 || value / base >= ENTRY_LIMIT) return false;
  locality.base = base;
  locality.range = bits;
  return true;
}

export function parseHmatCache(fields: Fields, nodes: Nodes, hmat: HmatBuilder): undefined {
  const node = fields.required('node-id', (key) => fields.uint(key, 64));
  const size = fields.required('size', fields.size);
  const level = fields.required('level', fields.uint8);
  const associativity = fields.required('associativity', (key) => fields.choice(key, ASSOCIATIVITIES));
  const policy = fields.required('policy', (key) => fields.choice(key, POLICIES));
  const line = fields.required('line', fields.uint16);
  fields.end();
  if (node !== undefined && node >= BigInt(nodes.size)) {
    fields.refuse(`Invalid node-id=${node}, it should be less than ${nodes.size}`);
  }
  if (level !== undefined && (level === 0 || level > MAX_CACHE_LEVEL)) {
    fields.refuse(`Invalid level=${level}, it should be larger than 0 and less than or equal to ${MAX_CACHE_LEVEL}`);
  }
  if (fields.failed || node === undefined || size === undefined || level === undefined) return;
  if (associativity === undefined || policy === undefined || line === undefined) return;
  const id = Number(node);
  if (hmat.provided.get(id) !== 3) {
    return fields.refuse(
      `The latency and bandwidth information of node-id=${id} should be provided before memory side cache attributes`,
    );
  }
  const known = (at: number) => hmat.caches.find((cache) => cache.node === id && cache.level === at);
  if (known(level) !== undefined) {
    return fields.refuse(`Duplicate configuration of the side cache for node-id=${id} and level=${level}`);
  }
  if (level > 1 && known(level - 1) === undefined) {
    return fields.refuse(`Cache level=${level - 1} shall be defined first`);
  }
  const below = known(level - 1);
  if (below !== undefined && size <= below.size) {
    return fields.refuse(
      `Invalid size=${size}, the size of level=${level} should be larger than the size(${below.size}) of level=${level - 1}`,
    );
  }
  const above = known(level + 1);
  if (above !== undefined && size >= above.size) {
    return fields.refuse(
      `Invalid size=${size}, the size of level=${level} should be less than the size(${above.size}) of level=${level + 1}`,
    );
  }
  hmat.caches.push({ node: id, size, level, associativity, policy, line });
}
