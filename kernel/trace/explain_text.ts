// The steps of an explained request as text, a line each, with the numbers put in.

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
import type { Step } from './explain.ts';

const zone_names = ['DMA', 'DMA32', 'Normal', 'Movable', 'Device'];
const type_names = ['Unmovable', 'Movable', 'Reclaimable', 'HighAtomic', 'CMA', 'Isolate'];
const mark_names = ['min', 'low', 'high', 'promo'];
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

const type_name = (migratetype: number): string => type_names[migratetype] ?? `type ${migratetype}`;
const zone_name = (idx: number): string => zone_names[idx] ?? `zone ${idx}`;
const in_zone = ({ nid, zone }: { readonly nid: number; readonly zone: number }): string =>
  `Node ${nid} ${zone_name(zone)}`;
const pages = (n: number): string => (n === 1 ? '1 page' : `${n} pages`);
const alloc_flags_text = (flags: number): string =>
  [
    `ALLOC_WMARK_${mark_names[flags & ALLOC_WMARK_MASK]!.toUpperCase()}`,
    ...alloc_flag_names.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name),
  ].join('|');

type Of<C extends Step['code']> = Extract<Step, { code: C }>;

function watermark_text(s: Of<'watermark'>): string {
  const taken = [
    s.highatomic > 0 ? ` - ${s.highatomic} highatomic` : '',
    s.cma > 0 ? ` - ${s.cma} CMA` : '',
    s.rest > 0 ? ` - ${s.rest} (rest of the block)` : '',
  ].join('');
  const usable = s.free - s.highatomic - s.cma - s.rest;
  const sum = taken === '' ? `${usable}` : `${s.free}${taken} = ${usable}`;
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

const fallback_types = (migratetype: number): string => (fallbacks[migratetype] ?? []).map(type_name).join(' or ');

function pcp_text({ cpu, order, migratetype, count, wanted, ...s }: Of<'pcp'>): string {
  const list = `CPU ${cpu}'s list of ${type_name(migratetype)} blocks of order ${order} (its lists of ${in_zone(s)} hold ${pages(count)})`;
  return wanted === 0 ? `${list}: the first block of it` : `${list}: empty, to be filled with ${wanted} blocks`;
}

function steal_text({ pfn, order, migratetype, before, after, boost }: Of<'steal'>): string {
  const block =
    before === after
      ? `its pageblock stays ${type_name(before)}`
      : `its pageblock turns from ${type_name(before)} to ${type_name(after)}`;
  return `${type_name(migratetype)} block of order ${order} at ${hex(pfn)} is taken over; ${block}; watermark_boost ${boost}`;
}

const skip_reasons = {
  nodemask: 'not in the nodemask',
  cpuset: 'not allowed by the cpuset',
  dirty: 'its node has its share of dirty pages',
} as const;

const call_names = {
  kswapd: 'kswapd is to be woken',
  compaction: 'direct compaction',
  reclaim: 'direct reclaim',
  oom: 'the OOM killer',
} as const;

function step_text(s: Step): string {
  switch (s.code) {
    case 'request': {
      const zones: string[] = [];
      for (let i = 0; i < s.zones.length; i += 2) zones.push(in_zone({ nid: s.zones[i]!, zone: s.zones[i + 1]! }));
      return [
        `order ${s.order} (${pages(2 ** s.order)}), ${hex(s.gfp)} (${format_gfp(s.gfp)}), near node ${s.nid}`,
        `  gfp_zone: up to ${zone_name(s.highest_zoneidx)}; migratetype ${type_name(s.migratetype)}`,
        `  zonelist: ${zones.join(', ')}`,
      ].join('\n');
    }
    case 'walk':
      return `get_page_from_freelist: ${alloc_flags_text(s.alloc_flags)}`;
    case 'skip':
      return `  ${in_zone(s)}: passed over, ${skip_reasons[s.why]}`;
    case 'stop':
      return `  ${in_zone(s)}: another node; rather than that, mix migratetypes on this one`;
    case 'watermark':
      return `  ${watermark_text(s)}`;
    case 'no_watermarks':
      return `  ${in_zone(s)}: watermarks do not count`;
    case 'pcp':
      return `    ${pcp_text(s)}`;
    case 'refilled':
      return `    filled with ${s.got} of ${s.wanted} blocks`;
    case 'lists':
      return `      ${lists_text(s)}`;
    case 'fallback':
      return `      another migratetype's block, of ${orders(s.min_order, 10)}, the largest first: ${fallback_types(s.migratetype)}`;
    case 'fallback_order':
      if (s.migratetype < 0) return `        order ${s.order}: none`;
      return `        order ${s.order}: ${type_name(s.migratetype)}${s.can_steal ? '' : ', too small to take the pageblock for'}`;
    case 'steal':
      return `        ${steal_text(s)}`;
    case 'reserve': {
      const zone = `${in_zone(s)} has ${s.after} of at most ${s.most} reserved pages`;
      return s.after > s.before
        ? `    the pageblock of ${hex(s.pfn)} is reserved as HighAtomic: ${zone}`
        : `    no pageblock is reserved as HighAtomic: ${zone}`;
    }
    case 'slowpath':
      return '__alloc_pages_slowpath: no zone has enough';
    case 'call':
      return `  ${call_names[s.what]}${s.there ? '' : ': this kernel has none'}`;
    case 'memcg':
      return `  page frame ${hex(s.pfn)} goes back: the memory cgroup is at its limit`;
    case 'result':
      if (s.pfn < 0) return 'no page';
      return `page frames ${hex(s.pfn)} to ${hex(s.pfn + 2 ** s.order - 1)}`;
  }
}

/** Lists that a per-cpu list is filled from look alike: of more than this in a row only the last is told. */
const ALIKE = 3;

const is_alike = (a: Step | undefined, b: Step): boolean =>
  a !== undefined &&
  a.code === 'lists' &&
  b.code === 'lists' &&
  a.migratetype === b.migratetype &&
  a.found === a.order &&
  b.found === b.order;

export function explain_text(steps: readonly Step[]): string {
  const lines: string[] = [];
  let alike = 0;
  for (const [i, step] of steps.entries()) {
    alike = is_alike(steps[i - 1], step) ? alike + 1 : 0;
    const next = steps[i + 1];
    if (alike >= ALIKE && next !== undefined && is_alike(step, next)) continue;
    if (alike > ALIKE) lines.push(`      ... ${alike - ALIKE} more like these`);
    lines.push(step_text(step));
  }
  return `${lines.join('\n')}\n`;
}
