// Numbers as the command line writes them (Linux: lib/cmdline.c memparse(), lib/vsprintf.c simple_strtoull(),
// lib/kstrtox.c). Arithmetic is that of a u64: what overflows wraps.

import { EINVAL, ERANGE } from '../include/types.ts';

const U64 = (1n << 64n) - 1n;

function digitValue(text: string, at: number): number {
  const c = text.charCodeAt(at);
  if (c >= 48 && c <= 57) return c - 48;
  const letter = c | 0x20;
  return letter >= 97 && letter <= 102 ? letter - 87 : 99;
}

/**
 * Base 0: `0x` before a hex digit means 16, a leading 0 means 8, anything else 10. Neither sign nor space is taken.
 * @returns the value modulo 2^64 (0 where no digit stands) and the text from the first character that is no digit
 */
export function simple_strtoull(text: string, base = 0): { value: bigint; rest: string } {
  const hexPrefix = text[0] === '0' && (text[1] === 'x' || text[1] === 'X') && digitValue(text, 2) < 16;
  if (base === 0) base = hexPrefix ? 16 : text[0] === '0' ? 8 : 10;
  let at = base === 16 && hexPrefix ? 2 : 0;
  let value = 0n;
  for (let digit = digitValue(text, at); digit < base; digit = digitValue(text, ++at)) {
    value = value * BigInt(base) + BigInt(digit);
  }
  return { value: value & U64, rest: text.slice(at) };
}

/** memparse(): a number and one of the suffixes K M G T P E, in either case. Exact. */
export function memparse64(text: string): { value: bigint; rest: string } {
  const { value, rest } = simple_strtoull(text);
  const power = 'kmgtpe'.indexOf((rest[0] ?? ' ').toLowerCase());
  if (power < 0) return { value, rest };
  return { value: (value << BigInt(10 * (power + 1))) & U64, rest: rest.slice(1) };
}

/** memparse64() as a number: exact below 2^53, the nearest double above. */
export function memparse(text: string): { value: number; rest: string } {
  const { value, rest } = memparse64(text);
  return { value: Number(value), rest };
}

/** kstrtoint(): the whole text, one newline allowed at its end, is one number in base 0. -EINVAL or -ERANGE if not. */
export function kstrtoint(text: string): { error: number; value: number } {
  const negative = text[0] === '-';
  const digits = negative || text[0] === '+' ? text.slice(1) : text;
  const { value, rest } = simple_strtoull(digits);
  if (rest === digits || (rest !== '' && rest !== '\n')) return { error: -EINVAL, value: 0 };
  const signed = negative ? -Number(value) : Number(value);
  if (signed > 0x7fffffff || signed < -0x80000000) return { error: -ERANGE, value: 0 };
  return { error: 0, value: signed };
}

/** kstrtobool(): y/n, t/f, 1/0, on/off by their first letters; null for anything else. */
export function kstrtobool(text: string | null): boolean | null {
  switch (text?.[0]?.toLowerCase()) {
    case 'y':
    case 't':
    case '1':
      return true;
    case 'n':
    case 'f':
    case '0':
      return false;
    case 'o':
      switch (text?.[1]?.toLowerCase()) {
        case 'n':
          return true;
        case 'f':
          return false;
      }
  }
  return null;
}
