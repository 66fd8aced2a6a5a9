// The conversions that texts of events use (Linux: lib/vsprintf.c, kernel/trace/trace_output.c).

import { type FieldValue, layouts } from './event.ts';

type Table = readonly (readonly [value: number, name: string])[];

const POINTER_DIGITS = 2 * layouts['void *'].size;

function conversion(spec: string, value: FieldValue): string {
  if (typeof value === 'string') return value;
  const bits = spec.includes('l') ? 64 : spec.includes('h') ? 16 : 32;
  if (spec.endsWith('p')) return value.toString(16).padStart(POINTER_DIGITS, '0');
  if (spec.endsWith('x')) return BigInt.asUintN(bits, BigInt(value)).toString(16);
  if (spec.endsWith('u')) return BigInt.asUintN(bits, BigInt(value)).toString();
  return BigInt.asIntN(bits, BigInt(value)).toString();
}

/** %d %u %x of int, short (h) and long (l, ll), %p, %pS, %s with a width to the left. */
export function format_text(format: string, values: readonly FieldValue[]): string {
  let n = 0;
  return format.replace(/%(?:-(\d+))?((?:h|ll?)?[dux]|pS?|s)/g, (_all, width: string | undefined, spec: string) =>
    conversion(spec, values[n++]!).padEnd(Number(width ?? 0)),
  );
}

/** __print_symbolic(): what is not in the table is a number. */
export const print_symbolic = (value: number, table: Table): string =>
  table.find(([one]) => one === value)?.[1] ?? `0x${value.toString(16)}`;

/** __print_flags(): what is left over is a number. */
export function print_flags(flags: number, table: Table): string {
  const names: string[] = [];
  let left = flags;
  for (const [mask, name] of table) {
    if ((left & mask) !== mask) continue;
    names.push(name);
    left &= ~mask;
  }
  if (left !== 0) names.push(`0x${(left >>> 0).toString(16)}`);
  return names.join('|');
}
