import { expect, test } from 'vitest';
import {
  PG_LEVEL_1G,
  PG_LEVEL_2M,
  pfn_range_is_mapped,
  split_mem_range,
} from '../../../../kernel/arch/x86/direct_map.ts';
import {
  __va,
  _PAGE_ACCESSED,
  _PAGE_DIRTY,
  _PAGE_GLOBAL,
  _PAGE_NX,
  _PAGE_PRESENT,
  _PAGE_PSE,
  _PAGE_RW,
  get_entry,
  lookup_address,
  map_page,
  PAGE_KERNEL,
  PMD_SIZE,
  PTE_SIZE,
  PUD_SIZE,
  pgd_index,
} from '../../../../kernel/arch/x86/pgtable.ts';
import { __START_KERNEL_map } from '../../../../kernel/include/types.ts';
import { stages, start_kernel } from '../../../../kernel/init/main.ts';
import type { Kernel } from '../../../../kernel/kernel.ts';
import { memblock_add } from '../../../../kernel/mm/memblock.ts';
import { type BootSpec, bootKernel, type E820Line, pcMap } from '../../../support/boot.ts';
import { GiB, MiB } from '../../../support/hw.ts';

/** Up to and with setup_arch(), where the map is made and used. */
function mapped(spec: BootSpec): Kernel {
  const k = bootKernel(spec);
  for (const { name, run } of stages) {
    run(k);
    if (name === 'setup_arch') return k;
  }
  return k;
}

const TiB = 1024 * GiB;
const sizes: Readonly<Record<number, string>> = { [PTE_SIZE]: '4K', [PMD_SIZE]: '2M', [PUD_SIZE]: '1G' };
const at = (k: Kernel, pa: number): string => {
  const found = lookup_address(k, __va(pa));
  return found === null ? 'none' : `${sizes[found.size]}${found.pa === pa ? '' : ' elsewhere'}`;
};

// e820 of QEMU's pc: | 0-9fc00 |hole| 1M ... low - 128K | reserved |hole| 4G ... |
const map_rows: readonly (readonly [name: string, spec: BootSpec, pages: Readonly<Record<number, string>>])[] = [
  [
    'the first MiB, holes and all, in small pages',
    { e820: pcMap(GiB) },
    { 0: '4K', 651264: '4K', 655360: '4K', 1044480: '4K', 1048576: '4K', 2093056: '4K', 2097152: '2M' },
  ],
  [
    'up to the last page of RAM, and not beyond',
    { e820: pcMap(GiB) },
    {
      1069547520: '2M',
      1071644672: '4K',
      1073606656: '4K',
      1073610752: 'none',
      1073741824: 'none',
      4294705152: 'none',
    },
  ],
  [
    'above 4 GiB, and not between',
    { e820: pcMap(6 * GiB) },
    { 1073741824: '2M', 3219128320: '4K', 3221225472: 'none', 4294967296: '2M', 7514095616: '2M', 7516192768: 'none' },
  ],
  [
    'in pages of 1 GiB where the CPU has them',
    { e820: pcMap(6 * GiB), gbpages: true },
    {
      0: '4K',
      2097152: '2M',
      1073741824: '1G',
      2147483648: '2M',
      3219128320: '4K',
      4294967296: '1G',
      6442450944: '1G',
    },
  ],
  [
    'not in those if the command line says so',
    { e820: pcMap(6 * GiB), gbpages: true, cmdline: 'nogbpages' },
    { 1073741824: '2M', 4294967296: '2M' },
  ],
  [
    'from the bottom up if nodes may be movable',
    { e820: pcMap(6 * GiB), cmdline: 'movable_node' },
    { 0: '4K', 2097152: '2M', 3219128320: '4K', 3221225472: 'none', 4294967296: '2M', 7514095616: '2M' },
  ],
  [
    'an odd page at the end, in a PMD of its own',
    { e820: [...pcMap(GiB).slice(0, -1), [0x100000000, 0x100003000, 1], [0x300000000, 0x300200000, 1]] },
    { 4294967296: '4K', 4294975488: '4K', 4294979584: 'none', 12884901888: '2M', 12886999040: 'none' },
  ],
  [
    'across the border of what one top-level entry maps',
    { e820: [...pcMap(GiB).slice(0, -1), [512 * GiB - 4 * MiB, 512 * GiB + 4 * MiB, 1]] },
    { [512 * GiB - 4 * MiB]: '2M', [512 * GiB - 2 * MiB]: '2M', [512 * GiB]: '2M', [512 * GiB + 4 * MiB]: 'none' },
  ],
  [
    'a TiB and a half',
    { e820: [...pcMap(3 * GiB).slice(0, -1), [4 * GiB, 1.5 * TiB, 1]] },
    {
      [4 * GiB]: '2M',
      [TiB - PMD_SIZE]: '2M',
      [TiB]: '2M',
      [1.5 * TiB - PTE_SIZE]: '2M',
      [1.5 * TiB]: 'none',
    },
  ],
];

test.each(map_rows)('maps %s', (_, spec, pages) => {
  const k = mapped(spec);
  const found = Object.fromEntries(Object.keys(pages).map((pa) => [pa, at(k, Number(pa))]));
  expect(found).toEqual(pages);
});

test('a page inside a large one is found where it is', () => {
  const k = mapped({ e820: pcMap(GiB) });
  expect(lookup_address(k, __va(0x12345678))).toMatchObject({ pa: 0x12345678, size: PMD_SIZE });
});

test('entries have the bits that Linux gives them', () => {
  const k = mapped({ e820: pcMap(GiB) });
  const bits = _PAGE_PRESENT | _PAGE_RW | _PAGE_ACCESSED | _PAGE_DIRTY;
  expect(get_entry(k.hw.ram, k.boot.pgd, pgd_index(__va(0))).flags).toBe(bits);
  expect(lookup_address(k, __va(0x1000))!.flags).toBe((bits | _PAGE_GLOBAL) + _PAGE_NX);
  expect(lookup_address(k, __va(0x2000000))!.flags).toBe((bits | _PAGE_GLOBAL | _PAGE_PSE) + _PAGE_NX);
  // As the CPU reads it: NX is the top bit.
  const pgd = k.hw.ram.big64(k.boot.pgd + 8 * pgd_index(__va(0)));
  const pmd = k.hw.ram.big64(Number(k.hw.ram.big64(Number(pgd & ~0xfffn)) & ~0xfffn) + 8 * 16);
  expect(pmd).toBe(0x80000000020001e3n);
});

test('the kernel image is mapped once more at the top, to run there', () => {
  const k = mapped({ e820: pcMap(GiB) });
  const { text, end } = k.config.image;
  const page = (pa: number) => lookup_address(k, __START_KERNEL_map + BigInt(pa));
  expect(page(text)).toMatchObject({ pa: text, size: PMD_SIZE });
  expect(page(text)!.flags & _PAGE_NX).toBe(0);
  expect(page(end - 1)).toMatchObject({ pa: end - 1 });
  expect(page(text - 1)).toBeNull();
  expect(page(0x4600000)).toBeNull();
});

test('the memory map is mapped where the kernel looks for it', () => {
  const k = bootKernel({ e820: pcMap(GiB) });
  start_kernel(k);
  for (const pfn of [0x1000, 0x1fff, 0x2ffff, 0x3ffdf]) {
    const found = lookup_address(k, 0xffffea0000000000n + BigInt(pfn) * 64n)!;
    const flags_high = k.mm.section_mem_map[pfn >>> 15]![(pfn & 0x7fff) * 16 + 1]! >>> 0;
    expect(k.hw.ram.u32(found.pa + 4)).toBe(flags_high);
  }
});

test('all of RAM is mapped, and nothing but RAM and the first MiB', () => {
  const e820: E820Line[] = [
    ...pcMap(3 * GiB).slice(0, -1),
    [0x100000000, 0x123456000, 1],
    [0x200000000, 0x240000000, 1],
  ];
  const k = mapped({ e820 });
  for (const [start, end, type] of e820) {
    if (type !== 1) continue;
    const [first, last] = [Math.ceil(Number(start) / 4096), Math.floor(Number(end) / 4096)];
    expect(pfn_range_is_mapped(k, first, last)).toBe(true);
    for (const pfn of [first, Math.floor((first + last) / 2), last - 1]) expect(at(k, pfn * 4096)).not.toBe('none');
  }
  const bytes = { PG_LEVEL_4K: PTE_SIZE, PG_LEVEL_2M: PMD_SIZE, PG_LEVEL_1G: PUD_SIZE };
  const pages = k.boot.pfn_mapped.reduce((sum, { start, end }) => sum + end - start, 0);
  const counted = Object.entries(k.boot.direct_pages_count).reduce(
    (sum, [level, count]) => sum + (count * bytes[level as keyof typeof bytes]) / 4096,
    0,
  );
  expect(counted).toBe(pages);
  expect(k.boot.max_pfn_mapped).toBe(0x240000);
});

// A range cut by what is aligned in it; memory all around lets small pieces take large pages.
const split_rows: readonly (readonly [
  name: string,
  range: [number, number],
  memory: [number, number],
  wanted: string[],
])[] = [
  ['one small page', [0x1000, 0x2000], [0x1000, 0x2000], ['1000-2000 4K']],
  ['a head that is small', [0x1ff000, 0x400000], [0x1ff000, 0x400000], ['1ff000-200000 4K', '200000-400000 2M']],
  ['a head with memory around', [0x1ff000, 0x400000], [0, 0x400000], ['1ff000-400000 2M']],
  [
    'all sizes',
    [0x3fdff000, 0xc0201000],
    [0x3fdff000, 0xc0201000],
    [
      '3fdff000-3fe00000 4K',
      '3fe00000-40000000 2M',
      '40000000-c0000000 1G',
      'c0000000-c0200000 2M',
      'c0200000-c0201000 4K',
    ],
  ],
  ['a tail with memory around', [0x40000000, 0x80200000], [0, 4 * GiB], ['40000000-80200000 1G']],
  ['no end below the start', [0x1000, 0x1800], [0, GiB], []],
];

test.each(split_rows)('splits %s', (_, [start, end], [from, to], wanted) => {
  const k = bootKernel({ e820: [] });
  k.boot.page_size_mask = (1 << PG_LEVEL_2M) | (1 << PG_LEVEL_1G);
  memblock_add(k, from, to - from);
  const name = (mask: number): string => ((mask & 8) !== 0 ? '1G' : (mask & 4) !== 0 ? '2M' : '4K');
  const found = split_mem_range(k, start, end).map(
    (r) => `${r.start.toString(16)}-${r.end.toString(16)} ${name(r.page_size_mask)}`,
  );
  expect(found).toEqual(wanted);
});

test('map_page() makes the tables on the way, and says when there is no page for one', () => {
  const k = bootKernel({ e820: pcMap(64 * MiB) });
  k.boot.pgd = 0x100000;
  let next = 0x200000;
  const alloc = () => (next += 0x1000);
  expect(map_page(k, 0xffffea0000200000n, 0x400000, PMD_SIZE, PAGE_KERNEL, alloc)).toBe(true);
  expect(next).toBe(0x202000);
  expect(map_page(k, 0xffffea0000400000n, 0x600000, PTE_SIZE, PAGE_KERNEL, alloc)).toBe(true);
  expect(next).toBe(0x203000);
  expect(lookup_address(k, 0xffffea0000212345n)).toMatchObject({ pa: 0x412345, size: PMD_SIZE });
  expect(lookup_address(k, 0xffffea0000400fffn)).toMatchObject({ pa: 0x600fff, size: PTE_SIZE });
  expect(lookup_address(k, 0xffffea0000401000n)).toBeNull();
  expect(map_page(k, 0xffffc90000000000n, 0x600000, PTE_SIZE, PAGE_KERNEL, () => 0)).toBe(false);
  expect(lookup_address(k, 0xffffc90000000000n)).toBeNull();
});
