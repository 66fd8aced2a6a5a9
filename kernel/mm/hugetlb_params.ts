// hugepages=, hugepagesz= and default_hugepagesz= (Linux: mm/hugetlb.c hugepages_setup() and kin). They are read in the
// order of the command line: hugepages= is about the size that hugepagesz= named before it.

import { PAGE_SHIFT, SZ_1G } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { memparse } from '../lib/memparse.ts';
import { node_isset } from '../lib/nodemask.ts';
import { pr_err, pr_warn } from '../lib/printk.ts';
import {
  default_hstate,
  HUGETLB_PAGE_ORDER,
  hstate_is_gigantic,
  huge_page_size,
  hugetlb_add_hstate,
  hugetlb_hstate_alloc_pages,
  size_to_hstate,
  take_default_numbers,
} from './hugetlb.ts';

const NUMBER = /^\s*(\d+)/;

/** sscanf("%lu%n"). */
function scan_number(text: string): { value: number; rest: string } | null {
  const found = NUMBER.exec(text);
  return found ? { value: Number(found[1]), rest: text.slice(found[0].length) } : null;
}

const arch_hugetlb_valid_size = (k: Kernel, size: number): boolean =>
  size === huge_page_size(HUGETLB_PAGE_ORDER) || (size === SZ_1G && k.hw.gbpages === true);

const order_of = (size: number): number => Math.log2(size) - PAGE_SHIFT;

/** What `hugepages=` asks for: a number for the machine, or numbers by node. */
interface Request {
  readonly count: number;
  readonly nodes: ReadonlyMap<number, number>;
}

/** @returns the part that Linux calls invalid, if there is one */
function parse_hugepages(k: Kernel, text: string, before: number): Request | { readonly invalid: string } {
  const nodes = new Map<number, number>();
  let count = before;
  for (let p = text; p !== ''; ) {
    const first = scan_number(p);
    if (first === null) return { invalid: p };
    if (first.rest[0] !== ':') return p === text ? { count: first.value, nodes } : { invalid: p };
    if (first.value >= 2 ** k.config.NODES_SHIFT || !node_isset(first.value, k.node_online_map)) return { invalid: p };
    p = first.rest.slice(1);
    const pages = scan_number(p);
    if (pages === null) return { invalid: p };
    nodes.set(first.value, pages.value);
    count += pages.value;
    if (pages.rest[0] !== ',') break;
    p = pages.rest.slice(1);
  }
  return { count, nodes };
}

function hugepages_clear_pages_in_node(k: Kernel): void {
  const { parsed_hstate } = k.hugetlb;
  if (k.hugetlb.hstates.length === 0 || parsed_hstate === null) {
    k.hugetlb.default_hstate_max_huge_pages = 0;
    k.hugetlb.default_hugepages_in_node.length = 0;
  } else {
    parsed_hstate.max_huge_pages = 0;
    parsed_hstate.max_huge_pages_node.length = 0;
  }
}

/** __setup("hugepages="). */
export function hugepages_setup(k: Kernel, value: string): number {
  if (!k.config.HUGETLB_PAGE) return 0;
  const state = k.hugetlb;
  if (!state.parsed_valid_hugepagesz) {
    pr_warn(k, `HugeTLB: hugepages=${value} does not follow a valid hugepagesz, ignoring`);
    state.parsed_valid_hugepagesz = true;
    return 1;
  }
  const h = state.hstates.length === 0 ? null : state.parsed_hstate;
  const mhp = h ?? 'default';
  if (mhp === state.last_mhp) {
    const why = 'hugepages= specified twice without interleaving hugepagesz=';
    pr_warn(k, `HugeTLB: ${why}, ignoring hugepages=${value}`);
    return 1;
  }
  const request = parse_hugepages(k, value, h ? h.max_huge_pages : state.default_hstate_max_huge_pages);
  if ('invalid' in request) {
    pr_warn(k, `HugeTLB: Invalid hugepages parameter ${request.invalid}`);
    hugepages_clear_pages_in_node(k);
    return 1;
  }
  if (h) h.max_huge_pages = request.count;
  else state.default_hstate_max_huge_pages = request.count;
  const in_node = h ? h.max_huge_pages_node : state.default_hugepages_in_node;
  for (const [nid, pages] of request.nodes) in_node[nid] = pages;

  if (h && hstate_is_gigantic(h)) hugetlb_hstate_alloc_pages(k, h);
  state.last_mhp = mhp;
  return 1;
}

/** __setup("hugepagesz="). */
export function hugepagesz_setup(k: Kernel, value: string): number {
  if (!k.config.HUGETLB_PAGE) return 0;
  const state = k.hugetlb;
  state.parsed_valid_hugepagesz = false;
  const size = memparse(value).value;
  if (!arch_hugetlb_valid_size(k, size)) {
    pr_err(k, `HugeTLB: unsupported hugepagesz=${value}`);
    return 1;
  }
  const h = size_to_hstate(k, size);
  if (h === undefined) {
    hugetlb_add_hstate(k, order_of(size));
  } else if (!state.parsed_default_hugepagesz || h !== default_hstate(k) || h.max_huge_pages !== 0) {
    pr_warn(k, `HugeTLB: hugepagesz=${value} specified twice, ignoring`);
    return 1;
  } else {
    state.parsed_hstate = h;
  }
  state.parsed_valid_hugepagesz = true;
  return 1;
}

/** __setup("default_hugepagesz="). */
export function default_hugepagesz_setup(k: Kernel, value: string): number {
  if (!k.config.HUGETLB_PAGE) return 0;
  const state = k.hugetlb;
  state.parsed_valid_hugepagesz = false;
  if (state.parsed_default_hugepagesz) {
    pr_err(k, `HugeTLB: default_hugepagesz previously specified, ignoring ${value}`);
    return 1;
  }
  const size = memparse(value).value;
  if (!arch_hugetlb_valid_size(k, size)) {
    pr_err(k, `HugeTLB: unsupported default_hugepagesz=${value}`);
    return 1;
  }
  hugetlb_add_hstate(k, order_of(size));
  state.parsed_valid_hugepagesz = true;
  state.parsed_default_hugepagesz = true;
  const h = size_to_hstate(k, size)!;
  state.default_hstate_idx = state.hstates.indexOf(h);
  if (state.default_hstate_max_huge_pages === 0) return 1;
  take_default_numbers(k, h);
  if (hstate_is_gigantic(h)) hugetlb_hstate_alloc_pages(k, h);
  state.default_hstate_max_huge_pages = 0;
  return 1;
}
