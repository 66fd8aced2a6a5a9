// page->flags in words (Linux: lib/vsprintf.c format_page_flags()).

import {
  LAST_CPUPID_PGSHIFT,
  NODES_MASK,
  NODES_PGSHIFT_HI,
  pageflag_names,
  ZONES_MASK,
  ZONES_PGSHIFT_HI,
} from '../include/page_flags.ts';
import { hex } from '../lib/printk.ts';

/** %pGp: "0x17ffffc0010200(slab|head|node=0|zone=2|lastcpupid=0x1fffff)". */
export function format_page_flags(lo: number, hi: number): string {
  const flags = (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
  const names: string[] = [];
  for (const [bit, name] of pageflag_names) if ((lo >>> bit) & 1) names.push(name);
  const last_cpupid = (hi & 0x7ffff) * 4 + (lo >>> LAST_CPUPID_PGSHIFT);
  names.push(`node=${(hi >>> NODES_PGSHIFT_HI) & NODES_MASK}`, `zone=${(hi >>> ZONES_PGSHIFT_HI) & ZONES_MASK}`);
  names.push(`lastcpupid=${hex(last_cpupid)}`);
  return `${flags === 0n ? '0' : hex(flags)}(${names.join('|')})`;
}
