// Recorded cases as files: told apart by content, and every wrong field named.

import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readBootCase, splitWords } from '../../../cli/oracle/boot_case.ts';
import { parseCase, readCaseFile } from '../../../cli/oracle/case_file.ts';

const folder = new URL('../../golden/boot/', import.meta.url);
const recorded = readdirSync(folder).filter((name) => name.endsWith('.json'));
const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

describe('the kind of a file', () => {
  it.each([
    ['an allocation case', { ops: [], before: {} }, 'alloc'],
    ['an allocation case that names more', { ops: [], before: {}, e820: [], srat: {}, expect: {} }, 'alloc'],
    ['a boot case', { e820: [], memblock_reserved_at_free: [], expect: {} }, 'boot'],
    ['a real machine', { e820: [], srat: {}, expect: {} }, 'real machine'],
  ])('%s', (_name, value, kind) => {
    expect(parseCase(json(value), 'a/b.json').kind).toBe(kind);
    expect(parseCase(gzipSync(json(value)), 'a/b.json').kind).toBe(kind);
  });

  it('the name is in the file, or is the name of the file', () => {
    expect(parseCase(json({ name: 'n', ops: [], before: {} }), 'a/b.json').name).toBe('n');
    expect(parseCase(json({ ops: [], before: {} }), 'a/b.json.gz').name).toBe('b');
  });

  it.each([
    ['what is not JSON', new TextEncoder().encode('{'), /^is not JSON/],
    ['a broken gzip file', new Uint8Array([0x1f, 0x8b, 1]), /^is not JSON/],
    ['a list', json([]), /^is not a JSON object/],
    ['nothing', json({}), /^is no case that is known/],
  ])('%s is refused', (_name, bytes, message) => {
    expect(() => parseCase(bytes, 'x.json')).toThrow(message);
  });

  it('a file that is not there is refused', () => {
    expect(() => readCaseFile('/nowhere/x.json')).toThrow('cannot be read: ENOENT');
  });
});

describe('a boot case', () => {
  it.each(recorded)('%s reads whole', (name) => {
    const bytes = readFileSync(new URL(name, folder));
    const one = parseCase(bytes, name);
    expect(one.kind).toBe('boot');
    const boot = readBootCase(one.fields);
    const raw = JSON.parse(new TextDecoder().decode(bytes));
    expect(boot.expect.after_memblock_free_all).toEqual(raw.expect.after_memblock_free_all);
    expect(boot.expect.zoneinfo_after_boot).toEqual(raw.expect.zoneinfo_after_boot);
    expect(boot.expect.memblock_memory).toEqual(raw.expect.memblock_memory);
    expect(boot.qemu.join(' ')).toBe(raw.qemu);
  });

  const good = () => JSON.parse(readFileSync(new URL(recorded[0]!, folder), 'utf8'));
  it.each<[string, (value: ReturnType<typeof good>) => void, string]>([
    ['qemu missing', (v) => delete v.qemu, 'qemu: wanted a string, found nothing'],
    [
      'an address as a number',
      (v) => {
        v.e820[1].start = 5;
      },
      'e820[1].start: wanted an address such as "0x1000", found 5',
    ],
    [
      'a list that is none',
      (v) => {
        v.expect.dmesg = 'x';
      },
      'expect.dmesg: wanted an array, found "x"',
    ],
    [
      'a page frame that is none',
      (v) => {
        v.expect.after_memblock_free_all[0].free_lists = { '0/0': [null] };
      },
      'expect.after_memblock_free_all[0].free_lists.0/0[0]: wanted a number, found null',
    ],
    [
      'bytes that are none',
      (v) => {
        v.acpi.APIC = '!';
      },
      'acpi.APIC: wanted bytes in base64, found "!"',
    ],
  ])('with %s is refused by name', (_name, damage, message) => {
    const value = good();
    damage(value);
    expect(() => readBootCase(parseCase(json(value), 'x.json').fields)).toThrow(message);
  });
});

describe('words of a command line', () => {
  it.each([
    ['-M pc  -m 4G', ['-M', 'pc', '-m', '4G']],
    ['-append "a b" c', ['-append', 'a b', 'c']],
    ["x='1 2',y=3", ['x=1 2,y=3']],
    ['', []],
  ])('%s', (text, words) => {
    expect(splitWords(text)).toEqual(words);
  });
});
