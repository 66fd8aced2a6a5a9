// The steps of an explained request as text, a line each, with the numbers put in.

import { MAX_ORDER, migratetype_names, zone_names } from '../include/mmzone.ts';
import { hex } from '../lib/printk.ts';
import { fallbacks } from '../mm/fallback.ts';
import { format_gfp } from '../mm/gfp.ts';
import {
  ALLOC_CMA,
  ALLOC_CPUSET,
  ALLOC_HIGHATOMIC,
  ALLOC_KSWAPD,
  ALLOC_MIN_RESERVE,
  ALLOC_NO_WATERMARKS,
  ALLOC_NOFRAGMENT,
  ALLOC_NON_BLOCK,
  ALLOC_OOM,
  ALLOC_WMARK_MASK,
} from '../mm/internal.ts';
import { type ListStep, type OrderStep, rounds, runs } from './explain_runs.ts';
import type { GiveUp, Helper, InZone, Mark, Skip, Step } from './explain_step.ts';

export const mark_names = ['min', 'low', 'high', 'promo'];
const alloc_flag_names: readonly (readonly [number, string])[] = [
  [ALLOC_NO_WATERMARKS, 'ALLOC_NO_WATERMARKS'],
  [ALLOC_OOM, 'ALLOC_OOM'],
  [ALLOC_NON_BLOCK, 'ALLOC_NON_BLOCK'],
  [ALLOC_MIN_RESERVE, 'ALLOC_MIN_RESERVE'],
  [ALLOC_CPUSET, 'ALLOC_CPUSET'],
  [ALLOC_CMA, 'ALLOC_CMA'],
  [ALLOC_NOFRAGMENT, 'ALLOC_NOFRAGMENT'],
  [ALLOC_HIGHATOMIC, 'ALLOC_HIGHATOMIC'],
  [ALLOC_KSWAPD, 'ALLOC_KSWAPD'],
];

const type_name = (migratetype: number): string => migratetype_names[migratetype] ?? `type ${migratetype}`;
const zone_name = (idx: number): string => zone_names[idx] ?? `zone ${idx}`;
const in_zone = ({ nid, zone }: InZone): string => `Node ${nid} ${zone_name(zone)}`;
const some = (n: number, what: string): string => (n === 1 ? `1 ${what}` : `${n} ${what}s`);
const pages = (n: number): string => some(n, 'page');
export const alloc_flags_text = (flags: number): string =>
  [
    `ALLOC_WMARK_${mark_names[flags & ALLOC_WMARK_MASK]!.toUpperCase()}`,
    ...alloc_flag_names.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name),
  ].join('|');

type Of<C extends Step['code']> = Extract<Step, { code: C }>;

/** @param reclaimable counted as if they were free */
function watermark_text(s: Mark, reclaimable = 0): string {
  const taken = [
    s.highatomic > 0 ? ` - ${s.highatomic} highatomic` : '',
    s.cma > 0 ? ` - ${s.cma} CMA` : '',
    s.rest > 0 ? ` - ${s.rest} (rest of the block)` : '',
  ].join('');
  const added = reclaimable > 0 ? ` + ${reclaimable} reclaimable` : '';
  const usable = s.free + reclaimable - s.highatomic - s.cma - s.rest;
  const sum = added + taken === '' ? `${usable}` : `${s.free}${added}${taken} = ${usable}`;
  const boosted = s.boost > 0 ? `${s.mark} + boost ${s.boost}` : `${s.mark}`;
  const least = s.least === s.mark + s.boost ? '' : `, of which the request must leave ${s.least}`;
  const bar = s.least + s.lowmem_reserve;
  const reserve = `lowmem_reserve[${zone_name(s.highest_zoneidx)}] ${s.lowmem_reserve}`;
  const head = `${in_zone(s)}: free ${sum}; ${mark_names[s.level]} mark ${boosted}${least}; ${reserve}: `;
  if (usable <= bar) {
    // The last word of zone_watermark_fast() on single pages.
    return s.ok ? `${head}${usable} <= ${bar}, but enough without the boost` : `${head}${usable} <= ${bar}, too few`;
  }
  if (s.order === 0) return `${head}${usable} > ${bar}, enough`;
  if (!s.ok) return `${head}${usable} > ${bar}, but no block of order ${s.order} or more`;
  return `${head}${usable} > ${bar}, enough; blocks of up to order ${s.largest}`;
}

const orders = (from: number, to: number): string => (from === to ? `order ${from}` : `orders ${from} to ${to}`);

function lists_text({ order, migratetype, found, pfn }: Of<'lists'>): string {
  const name = type_name(migratetype);
  if (found < 0) return `${name} lists: ${orders(order, 10)} empty`;
  const empty = found > order ? `${orders(order, found - 1)} empty, ` : '';
  const split = found > order ? `, split down to order ${order}` : '';
  return `${name} lists: ${empty}order ${found} has page frame ${hex(pfn)}${split}`;
}

const fallback_types = (migratetype: number): string =>
  [...new Set(fallbacks[migratetype])].map(type_name).join(' or ') || 'none';

function pcp_text({ cpu, order, migratetype, count, wanted, ...s }: Of<'pcp'>): string {
  const list = `CPU ${cpu}'s list of ${type_name(migratetype)} blocks of order ${order} (its lists of ${in_zone(s)} hold ${pages(count)})`;
  return wanted === 0 ? `${list}: the first block of it` : `${list}: empty, to be filled with ${some(wanted, 'block')}`;
}

function steal_text({ pfn, order, migratetype, before, after, boost }: Of<'steal'>): string {
  const names = (types: readonly number[]): string => [...new Set(types)].map(type_name).join(' and ');
  const [its, stay, turn] =
    before.length === 1 ? ['its pageblock', 'stays', 'turns'] : [`its ${before.length} pageblocks`, 'stay', 'turn'];
  const block =
    names(before) === names(after)
      ? `${its} ${stay} ${names(before)}`
      : `${its} ${turn} from ${names(before)} to ${names(after)}`;
  return `${type_name(migratetype)} block of order ${order} at ${hex(pfn)} is taken over; ${block}; watermark_boost ${boost}`;
}

const skip_reasons: Readonly<Record<Skip, string>> = {
  nodemask: 'not in the nodemask',
  cpuset: 'not allowed by the cpuset',
  dirty: 'its node has its share of dirty pages',
};

const call_names: Readonly<Record<Helper, string>> = {
  kswapd: 'kswapd is to be woken',
  compaction: 'direct compaction',
  reclaim: 'direct reclaim',
  oom: 'the OOM killer',
};

const give_up_reasons: Readonly<Record<GiveUp, string>> = {
  no_zones: 'no zone of the zonelist is allowed',
  no_direct_reclaim: 'the request may not wait (no __GFP_DIRECT_RECLAIM)',
  memalloc: 'the task frees memory itself (PF_MEMALLOC)',
  noretry: '__GFP_NORETRY',
  costly: 'the order is above 3 (PAGE_ALLOC_COSTLY_ORDER)',
  costly_compaction: '__GFP_NORETRY, and compaction does not help',
  no_progress: 'nothing was freed, and nobody killed',
  dumpcore: 'the task dumps its core',
  retry_mayfail: 'the request would rather fail (__GFP_RETRY_MAYFAIL)',
  thisnode: 'one node alone is asked (__GFP_THISNODE)',
  lowmem: 'it needs a zone below Normal',
};

function node_reclaim_text({ nid, result, pagecache, min_unmapped, slab, min_slab }: Of<'node_reclaim'>): string {
  const head = `node_reclaim of node ${nid}: page cache ${pagecache} (min_unmapped ${min_unmapped}), slab ${slab} (min_slab ${min_slab}): `;
  switch (result) {
    case 'full':
      return `${head}too little to begin with`;
    case 'noscan':
      return `${head}not by this request`;
    case 'some':
      return `${head}not enough was freed`;
    case 'success':
      return `${head}enough was freed`;
  }
}

function reserve_text({ pfn, migratetype, before, after, most, ...s }: Of<'reserve'>): string {
  if (after > before) {
    return `the pageblock of ${hex(pfn)} is reserved as HighAtomic: ${in_zone(s)} has ${after} of at most ${most} reserved pages`;
  }
  if (before >= most) {
    return `no pageblock is reserved as HighAtomic: ${in_zone(s)} has ${before} reserved pages, which may be ${most} at most`;
  }
  return `no pageblock is reserved as HighAtomic: that of ${hex(pfn)} is ${type_name(migratetype)} already`;
}

function reclaim_retry_text({ loops, most, unreserved, again }: Of<'reclaim_retry'>): string {
  const count = loops === 0 ? 'there is progress' : `${some(loops, 'round')} of at most ${most} without progress`;
  const given_up = unreserved ? 'a HighAtomic pageblock is given up, ' : '';
  return `should_reclaim_retry: ${count}: ${given_up}${again ? 'once more' : 'no more'}`;
}

function step_text(s: Step): string {
  switch (s.code) {
    case 'request': {
      const size = s.order < MAX_ORDER ? ` (${pages(2 ** s.order)})` : '';
      return [
        `order ${s.order}${size}, ${hex(s.gfp)} (${format_gfp(s.gfp)}), near node ${s.nid}`,
        `  gfp_zone: up to ${zone_name(s.highest_zoneidx)}; migratetype ${type_name(s.migratetype)}`,
        `  zonelist: ${s.zones.length > 0 ? s.zones.map(in_zone).join(', ') : 'empty'}`,
      ].join('\n');
    }
    case 'too_large':
      return `order ${s.order} > ${s.most}: no block is that large, no zone is asked`;
    case 'fault':
      return 'fail_page_alloc: failed on purpose, no zone is asked';
    case 'walk':
      return `get_page_from_freelist: ${alloc_flags_text(s.alloc_flags)}`;
    case 'skip':
      return `  ${in_zone(s)}: passed over, ${skip_reasons[s.why]}`;
    case 'stop':
      return `  ${in_zone(s)}: another node; rather than that, mix migratetypes on this one`;
    case 'watermark':
      return `  ${watermark_text(s)}`;
    case 'no_watermarks':
      return `    ALLOC_NO_WATERMARKS: ${in_zone(s)} is asked all the same`;
    case 'node_reclaim':
      return `    ${node_reclaim_text(s)}`;
    case 'too_far':
      return `    node_reclaim: ${in_zone(s)} is too far away, distance ${s.distance} > ${s.most}`;
    case 'pcp':
      return `    ${pcp_text(s)}`;
    case 'refilled':
      return `    filled with ${s.got} of ${some(s.wanted, 'block')}`;
    case 'cma':
      return `      ${in_zone(s)}: ${s.free_cma} of ${s.free} free pages are CMA's, ${s.first ? 'more than half: those first' : 'no more than half: those last'}`;
    case 'lists':
      return `      ${lists_text(s)}`;
    case 'fallback':
      return `      another migratetype's block, of ${orders(s.min_order, 10)}, the largest first: ${fallback_types(s.migratetype)}`;
    case 'fallback_order':
      if (s.migratetype < 0) return `        order ${s.order}: none`;
      return `        order ${s.order}: ${type_name(s.migratetype)}${s.can_steal ? '' : ', too small to take the pageblock for'}`;
    case 'steal':
      return `        ${steal_text(s)}`;
    case 'reserve':
      return `    ${reserve_text(s)}`;
    case 'slowpath':
      return '__alloc_pages_slowpath: no zone has enough';
    case 'call':
      return `  ${call_names[s.what]}${s.there ? '' : ': this kernel has none'}`;
    case 'reclaimable':
      return `  with all that could be reclaimed, ${watermark_text(s, s.reclaimable)}`;
    case 'reclaim_retry':
      return `  ${reclaim_retry_text(s)}`;
    case 'compact_retry':
      return `  should_compact_retry: compaction ${s.result}, ${s.retries} retries, priority ${s.priority}: ${s.again ? 'once more' : 'no more'}`;
    case 'no_oom':
      return `  nobody is killed: ${give_up_reasons[s.why]}`;
    case 'give_up':
      return `  no more is tried: ${give_up_reasons[s.why]}`;
    case 'nofail':
      return '__GFP_NOFAIL: deeper into the reserve, for lack of anything else';
    case 'restart':
      return 'cpusets or zonelists have changed: from the start';
    case 'memcg':
      return `  page frame ${hex(s.pfn)} goes back: the memory cgroup is at its limit`;
    case 'result':
      if (s.pfn < 0) return 'no page';
      if (s.order === 0) return `page frame ${hex(s.pfn)}`;
      return `page frames ${hex(s.pfn)} to ${hex(s.pfn + 2 ** s.order - 1)}`;
    case 'stopped':
      return `the kernel stops: ${s.message}`;
  }
}

/** Orders without a block; or blocks off the lists of one migratetype, as a count of each order. */
function run_text(run: readonly (ListStep | OrderStep)[]): string {
  if (run[0]!.code === 'fallback_order') return `        ${orders(run[0]!.order, run.at(-1)!.order)}: none`;
  const blocks = run as readonly ListStep[];
  const of_order = Array.from({ length: MAX_ORDER }, (_, i) => blocks.filter(({ found }) => found === i).length);
  const counts = of_order.flatMap((n, order) => (n > 0 ? [`${n} of order ${order}`] : []));
  return `      ... ${run.length} more: ${counts.join(', ')}`;
}

export function explain_text(steps: readonly Step[]): string {
  const lines: string[] = [];
  for (const { steps: round, times } of rounds(steps)) {
    for (const item of runs(round)) lines.push('code' in item ? step_text(item) : run_text(item));
    if (times > 1) lines.push(`  ... the same again, ${some(times - 1, 'time')}`);
  }
  return `${lines.join('\n')}\n`;
}
