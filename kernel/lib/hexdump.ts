// print_hex_dump() by single bytes (Linux: lib/hexdump.c), sixteen a line with their characters.

import type { Kernel } from '../kernel.ts';

const ROW = 16;
/** Where the characters begin. */
const ASCII_COLUMN = 2 * ROW + ROW + 1;

/** Differs from Linux: %p prints the pointer itself, not a hash of it. */
export function print_hex_dump(k: Kernel, level: number, address: bigint, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += ROW) {
    const row = [...bytes.subarray(at, at + ROW)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const ascii = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
    const prefix = (address + BigInt(at)).toString(16).padStart(16, '0');
    k.log.printk(level, `${prefix}: ${hex.padEnd(ASCII_COLUMN)}${ascii}`);
  }
}
