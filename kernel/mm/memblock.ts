import type { nid_t, phys_addr_t } from '../include/types.ts';

export interface memblock_region {
  base: phys_addr_t;
  size: number;
  flags: number;
  nid: nid_t;
}

export class Memblock {}
