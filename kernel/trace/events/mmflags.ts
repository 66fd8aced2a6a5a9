// Flags and numbers as events show them (Linux: include/trace/events/mmflags.h): as text, and in `format` files as C
// expressions, macros expanded, that readers of binary traces evaluate.

import * as gfp from '../../include/gfp_types.ts';
import { VMEMMAP_START } from '../../include/types.ts';
import { format_gfp } from '../../mm/gfp.ts';
import {
  COMPACT_COMPLETE,
  COMPACT_CONTENDED,
  COMPACT_CONTINUE,
  COMPACT_DEFERRED,
  COMPACT_NO_SUITABLE_PAGE,
  COMPACT_NOT_SUITABLE_ZONE,
  COMPACT_PARTIAL_SKIPPED,
  COMPACT_SKIPPED,
  COMPACT_SUCCESS,
} from '../../mm/internal.ts';
import type { Argument, Fields } from '../event.ts';
import { print_flags, print_symbolic } from '../printf.ts';

const one = (value: number): string => `(( gfp_t)0x${value.toString(16).padStart(2, '0')}u)`;
/** A flag that this build has not: KASAN's. */
const NONE = '(( gfp_t)0)';

const RECLAIM = '(( gfp_t)(0x400u|0x800u))';
const USER = `(${RECLAIM} | ${one(gfp.__GFP_IO)} | ${one(gfp.__GFP_FS)} | ${one(gfp.__GFP_HARDWALL)})`;
const KERNEL = `(${RECLAIM} | ${one(gfp.__GFP_IO)} | ${one(gfp.__GFP_FS)})`;
const HIGHUSER = `(${USER} | ${one(gfp.__GFP_HIGHMEM)})`;
const HIGHUSER_MOVABLE = `(${HIGHUSER} | ${one(gfp.__GFP_MOVABLE)} | ${NONE} | ${NONE})`;
const TRANSHUGE_LIGHT = `((${HIGHUSER_MOVABLE} | ${one(gfp.__GFP_COMP)} | ${one(gfp.__GFP_NOMEMALLOC)} | ${one(gfp.__GFP_NOWARN)}) & ~${RECLAIM})`;

/** Of the combinations; what is not here is one flag. */
const combined: ReadonlyMap<string, string> = new Map([
  ['GFP_TRANSHUGE', `(${TRANSHUGE_LIGHT} | ${one(gfp.__GFP_DIRECT_RECLAIM)})`],
  ['GFP_TRANSHUGE_LIGHT', TRANSHUGE_LIGHT],
  ['GFP_HIGHUSER_MOVABLE', HIGHUSER_MOVABLE],
  ['GFP_HIGHUSER', HIGHUSER],
  ['GFP_USER', USER],
  ['GFP_KERNEL_ACCOUNT', `(${KERNEL} | ${one(gfp.__GFP_ACCOUNT)})`],
  ['GFP_KERNEL', KERNEL],
  ['GFP_NOFS', `(${RECLAIM} | ${one(gfp.__GFP_IO)})`],
  ['GFP_ATOMIC', `(${one(gfp.__GFP_HIGH)}|${one(gfp.__GFP_ATOMIC)}|${one(gfp.__GFP_KSWAPD_RECLAIM)})`],
  ['GFP_NOIO', `(${RECLAIM})`],
  ['GFP_NOWAIT', `(${one(gfp.__GFP_KSWAPD_RECLAIM)})`],
  ['__GFP_RECLAIM', RECLAIM],
]);

const gfp_table = gfp.gfpflag_names
  .map(([mask, name]) => `{( unsigned long)${combined.get(name) ?? one(mask)}, "${name}"}`)
  .join(', ');

/** show_gfp_flags() */
export const gfp_flags = (field: string): Argument => ({
  expr: `(REC->${field}) ? __print_flags(REC->${field}, "|", ${gfp_table} ) : "none"`,
  value: (fields) => (fields[field] === 0 ? 'none' : format_gfp(Number(fields[field]))),
});

/** __print_symbolic() */
export const symbolic = (field: string, table: readonly (readonly [value: number, name: string])[]): Argument => ({
  expr: `__print_symbolic(REC->${field}, ${table.map(([value, name]) => `{${value}, "${name}"}`).join(', ')})`,
  value: (fields) => print_symbolic(Number(fields[field]), table),
});

/** __print_flags(), with a name for no flag at all. The values are C's, as the preprocessor leaves them. */
export function flags(
  field: string,
  table: readonly (readonly [mask: number, c: string, name: string])[],
  none: string,
): Argument {
  const masks = table.map(([mask, , name]) => [mask, name] as const);
  return {
    expr: `(REC->${field}) ? __print_flags(REC->${field}, "|", ${table.map(([, c, name]) => `{${c}, "${name}"}`).join(', ')} ) : "${none}"`,
    value: (fields) => (fields[field] === 0 ? none : print_flags(Number(fields[field]), masks)),
  };
}

/** A field that the format's conversion does not fit as it is. */
export const ulong = (field: string): Argument => ({
  expr: `(unsigned long)REC->${field}`,
  value: (fields) => fields[field]!,
});

/** %p. Differs from Linux: the pointer itself, as Linux prints it once options/hash-ptr is 0. */
const page_address = ({ pfn = 0 }: Fields): bigint => VMEMMAP_START + BigInt(pfn) * 64n;
const PAGE = '(((struct page *)vmemmap_base) + (REC->pfn))';

/** A page: its address, its number. */
export const page: readonly (string | Argument)[] = [{ expr: PAGE, value: page_address }, 'pfn'];

const no_page = ({ pfn }: Fields): boolean => pfn === 2n ** 64n - 1n;

/** The same where there may be none: pfn -1. */
export const page_or_null: readonly Argument[] = [
  { expr: `REC->pfn != -1UL ? ${PAGE} : ((void *)0)`, value: (rec) => (no_page(rec) ? 0 : page_address(rec)) },
  { expr: 'REC->pfn != -1UL ? REC->pfn : 0', value: (rec) => (no_page(rec) ? 0 : rec.pfn!) },
];

export const ZONE_TYPE = [
  [0, 'DMA'],
  [1, 'DMA32'],
  [2, 'Normal'],
  [3, 'Movable'],
] as const;

export const LRU_NAMES = [
  [0, 'inactive_anon'],
  [1, 'active_anon'],
  [2, 'inactive_file'],
  [3, 'active_file'],
  [4, 'unevictable'],
] as const;

export const COMPACTION_STATUS = [
  [COMPACT_SKIPPED, 'skipped'],
  [COMPACT_DEFERRED, 'deferred'],
  [COMPACT_CONTINUE, 'continue'],
  [COMPACT_SUCCESS, 'success'],
  [COMPACT_PARTIAL_SKIPPED, 'partial_skipped'],
  [COMPACT_COMPLETE, 'complete'],
  [COMPACT_NO_SUITABLE_PAGE, 'no_suitable_page'],
  [COMPACT_NOT_SUITABLE_ZONE, 'not_suitable_zone'],
  [COMPACT_CONTENDED, 'contended'],
] as const;
