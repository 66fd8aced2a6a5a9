import { expect, test } from 'vitest';
import { kstrtobool, kstrtoint, memparse, memparse64, simple_strtoull } from '../../../kernel/lib/memparse.ts';

test.each([
  ['4096', 4096n, ''],
  ['0x1000', 0x1000n, ''],
  ['0X1f', 0x1fn, ''],
  ['010', 8n, ''],
  ['08', 0n, '8'],
  ['0x', 0n, 'x'],
  ['0xg', 0n, 'xg'],
  ['-1', 0n, '-1'],
  ['', 0n, ''],
  ['abc', 0n, 'abc'],
  ['18446744073709551615', 0xffffffffffffffffn, ''],
  ['18446744073709551616', 0n, ''],
])('%j reads as %i and leaves %j', (text, value, rest) => {
  expect(simple_strtoull(text)).toEqual({ value, rest });
});

test.each([
  ['64M@1G', 64n << 20n, '@1G'],
  ['1k', 1024n, ''],
  ['2g', 2n << 30n, ''],
  ['1T', 1n << 40n, ''],
  ['1p', 1n << 50n, ''],
  ['3E', 3n << 60n, ''],
  ['16E', 0n, ''],
  ['0x10K', 16384n, ''],
  ['M', 0n, ''],
  ['1Mi', 1n << 20n, 'i'],
  ['50%', 50n, '%'],
])('memory size %j is %i and leaves %j', (text, value, rest) => {
  expect(memparse64(text)).toEqual({ value, rest });
  expect(memparse(text)).toEqual({ value: Number(value), rest });
});

test.each([
  ['12', 0, 12],
  ['-0x10\n', 0, -16],
  ['12x', -22, 0],
  ['', -22, 0],
  ['2147483648', -34, 0],
])('kstrtoint(%j) returns %i with %i', (text, error, value) => {
  expect(kstrtoint(text)).toEqual({ error, value });
});

test.each([
  ['y', true],
  ['Yes', true],
  ['1', true],
  ['on', true],
  ['no', false],
  ['0', false],
  ['OFF', false],
  ['o', null],
  ['x', null],
  ['', null],
  [null, null],
])('%j as a switch is %s', (text, value) => {
  expect(kstrtobool(text)).toBe(value);
});
