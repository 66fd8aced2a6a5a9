// The header of a swap area, against what busybox's mkswap left on a disk of 64 MiB: bytes 1024 to 1055, its UUID put in.

import { expect, test } from 'vitest';
import { mkswap } from '../../../kernel/mm/mkswap.ts';

const recorded = '01000000ff3f00000000000025db35c961994643 83e2e3bdb1b363b200000000'.replaceAll(' ', '');
const uuid = [0x25, 0xdb, 0x35, 0xc9, 0x61, 0x99, 0x46, 0x43, 0x83, 0xe2, 0xe3, 0xbd, 0xb1, 0xb3, 0x63, 0xb2];

const hexOf = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');

test('version, last page, bad pages and UUID are where mkswap writes them', () => {
  expect(hexOf(mkswap(16384, { uuid }).subarray(1024, 1056))).toBe(recorded);
});

test('a label, bad pages, the signature at the end of the page', () => {
  const bytes = mkswap(16384, { label: 'data', badpages: [7, 0x1234] });
  expect(String.fromCharCode(...bytes.subarray(1052, 1057))).toBe('data\0');
  expect(hexOf(bytes.subarray(1032, 1036))).toBe('02000000');
  expect(hexOf(bytes.subarray(1536, 1544))).toBe('0700000034120000');
  expect(String.fromCharCode(...bytes.subarray(4086))).toBe('SWAPSPACE2');
});
