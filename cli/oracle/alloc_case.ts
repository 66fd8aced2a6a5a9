// A recorded run of the allocator: its state before, what was asked of it and what Linux gave, its state after. Read from
// the JSON that the recorder writes, with every type checked.

import { __GFP_NOWARN, __GFP_THISNODE } from '../../kernel/include/gfp_types.ts';
import { MAX_NUMNODES } from '../../kernel/include/mmzone.ts';
import { isOtherOp } from './alloc_ops.ts';
import { CaseError, type Field } from './fields.ts';
import { parseGfp } from './gfp_text.ts';

/** A populated zone, in the order and the words of the recorder. */
export interface AllocZone {
  readonly node: number;
  readonly index: number;
  readonly zone: string;
  readonly start_pfn: number;
  readonly spanned: number;
  readonly present: number;
  readonly managed: number;
  /** "order/migratetype": page frames from head to tail. */
  readonly free_lists: Readonly<Record<string, readonly number[]>>;
  readonly watermark: { readonly min: number; readonly low: number; readonly high: number; readonly boost: number };
  readonly nr_reserved_highatomic: number;
  readonly nr_free_pages: number;
  /** null, here and below: the recording does not have it. */
  readonly nr_free_cma_pages: number | null;
  readonly nr_isolate_pageblock: number | null;
  readonly percpu_drift_mark: number;
  readonly flags: number;
  readonly lowmem_reserve: readonly number[];
  /** By CPU number. */
  readonly cpus: readonly AllocCpu[];
  /** Migratetypes of the zone's pageblocks, run-length: "type*count". */
  readonly blocks: string;
}

/** What a CPU has of a zone. */
export interface AllocCpu {
  readonly pcp: { readonly count: number; readonly high: number; readonly batch: number; readonly free_factor: number };
  /** By list number: page frames from head to tail. */
  readonly pcp_lists: Readonly<Record<string, readonly number[]>>;
  /** Likewise: the migratetype that each was freed with. */
  readonly pcp_types: Readonly<Record<string, readonly number[]>> | null;
  readonly nr_free_pages_cpu_diff: number;
  readonly nr_free_cma_pages_cpu_diff: number | null;
  readonly stat_threshold: number;
}

/** An operation other than an allocation and a free: its letter and its numbers, as alloc_ops.ts has them. */
export interface OtherOp {
  readonly what: string;
  readonly args: readonly number[];
}

/** One number each, as there are hundreds of thousands of operations. */
export interface AllocOps {
  readonly count: number;
  /** Index into `kinds`; -1: a free; -2: neither, see `other`. */
  readonly kind: Int16Array;
  readonly order: Uint8Array;
  /** 0: Linux had none. */
  readonly pfn: Float64Array;
  readonly preferred_nid: Int16Array;
  readonly other: ReadonlyMap<number, OtherOp>;
}

export interface AllocCase {
  /** -1: all nodes. */
  readonly node: number;
  /** Flags of each kind of request. */
  readonly kinds: readonly number[];
  /** The node of each CPU. */
  readonly cpu_nodes: readonly number[];
  /** What it was; null: the recording does not have it, and no operation depends on it. */
  readonly min_free_kbytes: number | null;
  readonly before: readonly AllocZone[];
  readonly ops: AllocOps;
  readonly after: readonly AllocZone[];
  /** What the kmem tracepoints recorded meanwhile: "CPU EVENT: TEXT". null: they were off. */
  readonly trace: readonly string[] | null;
}

export function readAllocCase(fields: Field): AllocCase {
  const node = fields.member('node').number();
  const always = node >= 0 ? __GFP_THISNODE | __GFP_NOWARN : __GFP_NOWARN;
  const kinds = fields.member('gfp_kinds').array();
  return {
    node,
    kinds: kinds.map((kind) => parseGfp(kind.string()) | always),
    min_free_kbytes:
      fields.member('settings').optional((settings) => settings.member('min_free_kbytes').number()) ?? null,
    before: fields.member('before').array().map(readZone),
    cpu_nodes: fields.member('cpu_nodes').optional(readNumbers) ?? [Math.max(0, node)],
    ops: readOps(fields.member('ops'), kinds.length, node),
    after: fields.member('after').array().map(readZone),
    trace: fields.member('trace').optional((trace) => trace.array().map((line) => line.string())) ?? null,
  };
}

/** ["a", order, kind, pfn] or ["a", order, kind, pfn, preferred node]; ["f", order, pfn]. */
function readOps(field: Field, kinds: number, node: number): AllocOps {
  if (!Array.isArray(field.value)) throw new CaseError(`${field.path}: wanted an array`);
  const list: readonly unknown[] = field.value;
  const count = list.length;
  const kind = new Int16Array(count);
  const order = new Uint8Array(count);
  const pfn = new Float64Array(count);
  const preferred_nid = new Int16Array(count);
  const other = new Map<number, OtherOp>();
  for (let i = 0; i < count; i++) {
    const op = list[i];
    if (Array.isArray(op) && op.slice(1).every(Number.isSafeInteger) && isOtherOp(op[0], op.length - 1)) {
      kind[i] = -2;
      other.set(i, { what: op[0], args: op.slice(1) });
      continue;
    }
    const [what, of_order, second, third, fourth = node] = Array.isArray(op) ? op : [];
    const numbers = what === 'a' ? [of_order, second, third, fourth] : [of_order, second];
    const sound = numbers.every((n) => Number.isSafeInteger(n) && n >= 0) && of_order <= 10 && fourth < MAX_NUMNODES;
    if (!sound || (what === 'a' ? second >= kinds : what !== 'f')) {
      throw new CaseError(
        `${field.path}[${i}]: wanted an allocation or a free, found ${String(JSON.stringify(op)).slice(0, 80)}`,
      );
    }
    order[i] = of_order;
    kind[i] = what === 'a' ? second : -1;
    pfn[i] = what === 'a' ? third : second;
    preferred_nid[i] = what === 'a' ? fourth : 0;
  }
  return { count, kind, order, pfn, preferred_nid, other };
}

function readZone(field: Field): AllocZone {
  const number = (name: string) => field.member(name).number();
  const watermark = field.member('watermark');
  const cpus = field.member('cpus');
  return {
    node: number('node'),
    index: number('index'),
    zone: field.member('zone').string(),
    start_pfn: number('start_pfn'),
    spanned: number('spanned'),
    present: number('present'),
    managed: number('managed'),
    free_lists: readLists(field.member('free_lists')),
    watermark: {
      min: watermark.member('min').number(),
      low: watermark.member('low').number(),
      high: watermark.member('high').number(),
      boost: watermark.member('boost').number(),
    },
    nr_reserved_highatomic: number('nr_reserved_highatomic'),
    nr_free_pages: number('nr_free_pages'),
    nr_free_cma_pages: optionalNumber(field, 'nr_free_cma_pages'),
    nr_isolate_pageblock: optionalNumber(field, 'nr_isolate_pageblock'),
    percpu_drift_mark: number('percpu_drift_mark'),
    flags: number('flags'),
    lowmem_reserve: readNumbers(field.member('lowmem_reserve')),
    // With one CPU, what it has is among the zone's own.
    cpus: cpus.present ? cpus.array().map(readCpu) : [readCpu(field)],
    blocks: field.member('blocks').string(),
  };
}

function readCpu(field: Field): AllocCpu {
  const pcp = field.member('pcp');
  return {
    pcp: {
      count: pcp.member('count').number(),
      high: pcp.member('high').number(),
      batch: pcp.member('batch').number(),
      free_factor: pcp.member('free_factor').number(),
    },
    pcp_lists: readLists(field.member('pcp_lists')),
    pcp_types: field.member('pcp_types').optional(readLists) ?? null,
    nr_free_pages_cpu_diff: field.member('nr_free_pages_cpu_diff').number(),
    nr_free_cma_pages_cpu_diff: optionalNumber(field, 'nr_free_cma_pages_cpu_diff'),
    stat_threshold: field.member('stat_threshold').number(),
  };
}

const optionalNumber = (field: Field, name: string): number | null =>
  field.member(name).optional((value) => value.number()) ?? null;

const readNumbers = (field: Field): number[] => field.array().map((one) => one.number());

const readLists = (field: Field): Record<string, number[]> =>
  Object.fromEntries(field.keys().map((key) => [key, readNumbers(field.member(key))]));
