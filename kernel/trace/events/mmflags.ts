// The table of allocation flags as `format` files show it (Linux: include/trace/events/mmflags.h __def_gfpflag_names): C
// expressions, macros expanded, that readers of binary traces evaluate.

import * as gfp from '../../include/gfp_types.ts';

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

export const gfp_flags_expression = (): string =>
  gfp.gfpflag_names.map(([mask, name]) => `{( unsigned long)${combined.get(name) ?? one(mask)}, "${name}"}`).join(', ');
