import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  e820__get_entry_type,
  e820__mapped_all,
  e820__mapped_any,
  e820__range_add,
  e820__range_remove,
  e820__range_update,
  e820__update_table,
  e820_type_name,
} from '../../../../kernel/arch/x86/e820.ts';
import { debian, recorder } from '../../../../kernel/config.ts';
import { Kernel } from '../../../../kernel/kernel.ts';
import { bootHw, dmesg, type E820Line } from '../../../support/boot.ts';

const hw = bootHw({ e820: [] });

function withMap(lines: readonly E820Line[], config = debian): Kernel {
  const k = new Kernel(hw, config);
  for (const [start, end, type] of lines) {
    e820__range_add(k, BigInt(start), BigInt.asUintN(64, BigInt(end) - BigInt(start)), type);
  }
  return k;
}

const linesOf = (k: Kernel): string[] =>
  k.e820.e820_table.map(({ addr, size, type }) => `${addr.toString(16)}+${size.toString(16)} ${type}`);

// Rows of a drawing, one entry each: the digit is the type, the column the page. All at once is what firmware reports.
function drawn(rows: readonly string[]): E820Line[] {
  return rows.flatMap((row) =>
    [...row.matchAll(/(\d)\1*/g)].map(
      (m) => [m.index * 0x1000, (m.index + m[0].length) * 0x1000, Number(m[1])] as const,
    ),
  );
}

test('overlaps go to the highest type, as in the drawing of Linux', () => {
  const k = withMap(
    drawn([
      '____22__________________',
      '______________________4_',
      '____1111________________',
      '_44_____________________',
      '11111111________________',
      '____________________33__',
      '___________44___________',
      '__________33333_________',
      '______________22________',
      '___________________2222_',
      '_________111111111______',
      '_____________________11_',
      '_________________4______',
    ]),
  );
  expect(e820__update_table(k, k.e820.e820_table)).toBe(0);
  const sorted =
    '1_______________________ _44_____________________ ___1____________________ ____22__________________ ' +
    '______11________________ _________1______________ __________3_____________ ___________44___________ ' +
    '_____________33_________ _______________2________ ________________1_______ _________________4______ ' +
    '___________________2____ ____________________33__ ______________________4_';
  const wanted = withMap(drawn(sorted.split(' ')));
  expect(linesOf(k)).toEqual(linesOf(wanted));
});

const update_rows: readonly (readonly [name: string, lines: readonly E820Line[], result: number, wanted: string[]])[] =
  [
    ['no entry at all', [], -1, []],
    ['one entry is left alone, even an empty one', [[0x1000, 0x1000, 1]], -1, ['1000+0 1']],
    [
      'empty entries go',
      [
        [0x1000, 0x1000, 1],
        [0x2000, 0x3000, 1],
      ],
      0,
      ['2000+1000 1'],
    ],
    [
      'nothing but empty entries',
      [
        [0x1000, 0x1000, 1],
        [0x2000, 0x2000, 2],
      ],
      0,
      [],
    ],
    [
      'type 0 is no memory',
      [
        [0, 0x2000, 0],
        [0x1000, 0x3000, 1],
      ],
      0,
      ['1000+2000 1'],
    ],
    [
      'equal entries become one',
      [
        [0x1000, 0x2000, 1],
        [0x1000, 0x2000, 1],
      ],
      0,
      ['1000+1000 1'],
    ],
    [
      'neighbours of one type join',
      [
        [0x2000, 0x3000, 2],
        [0x1000, 0x2000, 2],
      ],
      0,
      ['1000+2000 2'],
    ],
    [
      'persistent memory does not join',
      [
        [0x1000, 0x2000, 12],
        [0x2000, 0x3000, 12],
      ],
      0,
      ['1000+1000 12', '2000+1000 12'],
    ],
    [
      'soft reserved does not join',
      [
        [0, 0x1000, 0xefffffff],
        [0x1000, 0x2000, 0xefffffff],
      ],
      0,
      ['0+1000 4026531839', '1000+1000 4026531839'],
    ],
    [
      'persistent memory splits where another begins inside',
      [
        [0, 0x3000, 12],
        [0x1000, 0x2000, 12],
      ],
      0,
      ['0+1000 12', '1000+1000 12', '2000+1000 12'],
    ],
    [
      'an entry up to the last byte but one',
      [
        [0, 0x1000, 1],
        [0xfffffffffffff000n, 0xffffffffffffffffn, 2],
      ],
      0,
      ['0+1000 1', 'fffffffffffff000+fff 2'],
    ],
    [
      'one that wraps stops all',
      [
        [0x2000, 0x3000, 1],
        [0, 0x1000, 1],
        [0xfffffffffffff000n, 0x1000n, 2],
      ],
      -1,
      ['2000+1000 1', '0+1000 1', 'fffffffffffff000+2000 2'],
    ],
  ];

test.each(update_rows)('sorting out: %s', (_, lines, result, wanted) => {
  const k = withMap(lines);
  expect(e820__update_table(k, k.e820.e820_table)).toBe(result);
  expect(linesOf(k)).toEqual(wanted);
});

test('the table holds 128 entries and 3 a node; what is more is named and lost', () => {
  const k = withMap([], recorder);
  for (let i = 0; i < 321; i++) e820__range_add(k, BigInt(i) * 0x2000n, 0x1000n, 1);
  expect(k.e820.e820_table).toHaveLength(128 + 3 * 64);
  expect(dmesg(k)).toEqual(['too many entries; ignoring [mem 0x00280000-0x00280fff]']);
});

// Changes to one entry [0x4000, 0x8000) of type 1:
//
//     0    2000   4000   6000   8000   a000
//                  |------1------|
const change_rows: readonly (readonly [
  name: string,
  start: bigint,
  size: bigint,
  updated: string[],
  removed: string[],
])[] = [
  ['below', 0x0n, 0x4000n, ['4000+4000 1'], ['4000+4000 1']],
  ['above', 0x8000n, 0x1000n, ['4000+4000 1'], ['4000+4000 1']],
  ['its head', 0x2000n, 0x3000n, ['5000+3000 1', '4000+1000 2'], ['5000+3000 1']],
  ['its tail', 0x7000n, 0x3000n, ['4000+3000 1', '7000+1000 2'], ['4000+3000 1']],
  ['its head exactly', 0x4000n, 0x1000n, ['5000+3000 1', '4000+1000 2'], ['5000+3000 1']],
  ['its middle', 0x5000n, 0x1000n, ['4000+1000 1', '5000+1000 2', '6000+2000 1'], ['4000+1000 1', '6000+2000 1']],
  ['all of it', 0x4000n, 0x4000n, ['4000+4000 2'], ['0+0 0']],
  ['more than it', 0x0n, 0xffffffffffffffffn, ['4000+4000 2'], ['0+0 0']],
  ['nothing', 0x5000n, 0n, ['4000+1000 1', '5000+0 2', '5000+3000 1'], ['4000+1000 1', '5000+3000 1']],
];

test.each(change_rows)('a change of %s', (_, start, size, updated, removed) => {
  const update = withMap([[0x4000, 0x8000, 1]]);
  e820__range_update(update, start, size, 1, 2);
  expect(linesOf(update)).toEqual(updated);
  const remove = withMap([[0x4000, 0x8000, 1]]);
  e820__range_remove(remove, start, size, 1, true);
  expect(linesOf(remove)).toEqual(removed);
});

test('changes pass over other types unless any will do', () => {
  const k = withMap([
    [0, 0x1000, 2],
    [0x1000, 0x2000, 1],
  ]);
  expect(e820__range_update(k, 0n, 0x2000n, 1, 3)).toBe(0x1000n);
  expect(e820__range_remove(k, 0n, 0x2000n, 1, true)).toBe(0n);
  expect(linesOf(k)).toEqual(['0+1000 2', '1000+1000 3']);
  expect(e820__range_remove(k, 0n, 0x2000n, 0, false)).toBe(0x2000n);
});

test('changes are logged as Linux logs them, an endless one with its own end', () => {
  const k = withMap([[0, 0x1000, 1]]);
  e820__range_update(k, 0n, 0x1000n, 1, 2);
  e820__range_remove(k, 0xa0000n, 0x60000n, 1, true);
  e820__range_remove(k, 0xc0000000n, 0xffffffffffffffffn, 1, true);
  e820__range_remove(k, 0x1000n, 0x1000n, 0, false);
  expect(dmesg(k)).toEqual([
    'e820: update [mem 0x00000000-0x00000fff] usable ==> reserved',
    'e820: remove [mem 0x000a0000-0x000fffff] usable',
    'e820: remove [mem 0xc0000000-0xfffffffffffffffe] usable',
    'e820: remove [mem 0x00001000-0x00001fff] ',
  ]);
});

test.each([
  [1, 'usable'],
  [2, 'reserved'],
  [3, 'ACPI data'],
  [4, 'ACPI NVS'],
  [5, 'unusable'],
  [7, 'persistent (type 7)'],
  [12, 'persistent (type 12)'],
  [0xefffffff, 'soft reserved'],
  [128, 'usable'],
  [6, 'type 6'],
  [0xffffffff, 'type 4294967295'],
])('type %i is called %j', (type, name) => {
  expect(e820_type_name(type)).toBe(name);
});

// 0-0x2000 of type 1, 0x2000-0x3000 of type 2, nothing, 0x4000-0x5000 of type 1.
const mapped_rows: readonly (readonly [start: bigint, end: bigint, type: number, any: boolean, all: boolean])[] = [
  [0x0n, 0x2000n, 1, true, true],
  [0x1000n, 0x3000n, 1, true, false],
  [0x1000n, 0x3000n, 0, true, true],
  [0x2000n, 0x5000n, 0, true, false],
  [0x3000n, 0x4000n, 0, false, false],
  [0x2000n, 0x3000n, 1, false, false],
];

test.each(mapped_rows)('of %i to %i with type %i: some %s, all %s', (start, end, type, any, all) => {
  const k = withMap([
    [0, 0x2000, 1],
    [0x2000, 0x3000, 2],
    [0x4000, 0x5000, 1],
  ]);
  expect(e820__mapped_any(k, start, end, type)).toBe(any);
  expect(e820__mapped_all(k, start, end, type)).toBe(all);
});

test('the type of a range is that of the entry that completes it', () => {
  const k = withMap([
    [0, 0x2000, 1],
    [0x2000, 0x3000, 2],
  ]);
  expect(e820__get_entry_type(k, 0x1000n, 0x3000n)).toBe(2);
  expect(e820__get_entry_type(k, 0x1000n, 0x4000n)).toBe(-22);
});

// The model is one type for each of 64 pages. Types that do not join are checked by what they cover as well.
const PAGES = 64;
const entry = fc.record({ start: fc.nat(PAGES), size: fc.nat(PAGES / 2), type: fc.constantFrom(1, 2, 3, 4, 5, 7, 12) });

function modelOf(entries: readonly { start: number; size: number; type: number }[]): number[] {
  const model = new Array<number>(2 * PAGES).fill(0);
  for (const { start, size, type } of entries) {
    for (let page = start; page < start + size; page++) model[page] = Math.max(model[page]!, type);
  }
  return model;
}

function pagesOf(k: Kernel): number[] {
  const pages = new Array<number>(2 * PAGES).fill(0);
  for (const { addr, size, type } of k.e820.e820_table) {
    for (let page = Number(addr >> 12n); page < Number((addr + size) >> 12n); page++) {
      expect(pages[page]).toBe(0);
      pages[page] = type;
    }
  }
  return pages;
}

test('any map comes out sorted, without overlap, with each page of its highest type', () => {
  fc.assert(
    fc.property(fc.array(entry, { minLength: 2, maxLength: 12 }), (entries) => {
      const k = withMap(entries.map(({ start, size, type }) => [start * 4096, (start + size) * 4096, type] as const));
      expect(e820__update_table(k, k.e820.e820_table)).toBe(0);
      expect(pagesOf(k)).toEqual(modelOf(entries));
      const starts = k.e820.e820_table.map(({ addr }) => addr);
      expect(starts).toEqual(starts.toSorted((a, b) => (a < b ? -1 : 1)));
      for (const [i, e] of k.e820.e820_table.entries()) {
        const next = k.e820.e820_table[i + 1];
        if (next?.addr === e.addr + e.size && e.type !== 12) expect(next.type).not.toBe(e.type);
      }
    }),
    { numRuns: 200 },
  );
});

test('any change to a sorted map touches just its pages of its type', () => {
  const change = fc.record({
    start: fc.nat(PAGES),
    size: fc.nat(PAGES),
    from: fc.constantFrom(1, 2),
    remove: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(entry, { minLength: 2, maxLength: 8 }), change, (entries, { start, size, from, remove }) => {
      const k = withMap(entries.map((e) => [e.start * 4096, (e.start + e.size) * 4096, e.type] as const));
      e820__update_table(k, k.e820.e820_table);
      const wanted = modelOf(entries);
      let bytes = 0n;
      for (let page = start; page < start + size; page++) {
        if (wanted[page] !== from) continue;
        wanted[page] = remove ? 0 : 5;
        bytes += 4096n;
      }
      const range = [BigInt(start) << 12n, BigInt(size) << 12n] as const;
      const changed = remove ? e820__range_remove(k, ...range, from, true) : e820__range_update(k, ...range, from, 5);
      expect(changed).toBe(bytes);
      expect(pagesOf(k)).toEqual(wanted);
    }),
    { numRuns: 200 },
  );
});
