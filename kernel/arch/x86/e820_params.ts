// mem= and memmap=: the user's say in the memory map (Linux: arch/x86/kernel/e820.c parse_memopt(), parse_memmap_one()).

import { E820_TYPE_ACPI, E820_TYPE_PRAM, E820_TYPE_RAM, E820_TYPE_RESERVED } from '../../include/e820.ts';
import { EINVAL } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { memparse64, simple_strtoull } from '../../lib/memparse.ts';
import { pr_warn } from '../../lib/printk.ts';
import { e820__range_add, e820__range_remove, e820__range_update, ULLONG_MAX } from './e820.ts';

/** mem=SIZE: no RAM above SIZE. */
export function parse_memopt(k: Kernel, value: string | null): number {
  if (value === null) return -EINVAL;
  if (value === 'nopentium') {
    pr_warn(k, 'mem=nopentium ignored! (only supported on x86_32)');
    return -EINVAL;
  }
  k.e820.userdef = true;
  const { value: mem_size } = memparse64(value);
  // Not even "mem=nonsense" takes all memory away.
  if (mem_size === 0n) return -EINVAL;
  remove_ram_above(k, mem_size);
  k.e820.max_mem_size = mem_size;
  return 0;
}

const remove_ram_above = (k: Kernel, mem_size: bigint): bigint =>
  e820__range_remove(k, mem_size, ULLONG_MAX - mem_size, E820_TYPE_RAM, true);

/** memmap=nn<mark>ss: what the mark makes of the range. */
const added_type: Readonly<Record<string, number>> = {
  '@': E820_TYPE_RAM,
  '#': E820_TYPE_ACPI,
  $: E820_TYPE_RESERVED,
  '!': E820_TYPE_PRAM,
};

function parse_memmap_one(k: Kernel, text: string): number {
  if (text.startsWith('exactmap')) {
    k.e820.e820_table.length = 0;
    k.e820.userdef = true;
    return 0;
  }
  const { value: size, rest } = memparse64(text);
  if (rest === text) return -EINVAL;
  k.e820.userdef = true;

  const mark = rest[0] ?? '';
  const type = added_type[mark];
  if (type !== undefined) {
    const start = memparse64(rest.slice(1));
    e820__range_add(k, start.value, size, type);
    return start.rest === '' ? 0 : -EINVAL;
  }
  if (mark === '%') return parse_memmap_convert(k, size, rest.slice(1));
  remove_ram_above(k, size);
  return rest === '' ? 0 : -EINVAL;
}

/** memmap=nn%ss-oldtype+newtype: from one type to another, to none, or from any. */
function parse_memmap_convert(k: Kernel, size: bigint, text: string): number {
  let from = 0;
  let to = 0;
  const start = memparse64(text);
  let rest = start.rest;
  const type = (): number => {
    const parsed = simple_strtoull(rest.slice(1));
    rest = parsed.rest;
    return Number(BigInt.asUintN(32, parsed.value));
  };
  if (rest[0] === '-') from = type();
  if (rest[0] === '+') to = type();
  if (rest !== '') return -EINVAL;
  if (from !== 0 && to !== 0) e820__range_update(k, start.value, size, from, to);
  else if (to !== 0) e820__range_add(k, start.value, size, to);
  else if (from !== 0) e820__range_remove(k, start.value, size, from, true);
  else e820__range_remove(k, start.value, size, 0, false);
  return 0;
}

/** A mistake in one of the comma-separated entries is passed over in silence. */
export function parse_memmap_opt(k: Kernel, value: string | null): number {
  for (const one of value?.split(',') ?? []) parse_memmap_one(k, one);
  return 0;
}
