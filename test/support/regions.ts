// Regions as drawings: one column is `unit` bytes, '.' is nothing, a run of one letter is one region.
//
//     aaa..bbc    three regions, the last two of them touching but not alike

import type { memblock_region, memblock_type } from '../../kernel/mm/memblock.ts';

export interface Scale {
  /** Address of the first column. */
  readonly base: number;
  /** Bytes a column. */
  readonly unit: number;
}

/** The runs of a drawing, low to high. */
export function runs(drawing: string, { base, unit }: Scale): { letter: string; base: number; size: number }[] {
  return [...drawing.matchAll(/([^. ])\1*/g)].map((run) => ({
    letter: run[0][0]!,
    base: base + run.index * unit,
    size: run[0].length * unit,
  }));
}

/** Regions as a drawing of `columns` columns: the first is a, the next b. Ends must lie on columns. */
export function drawing(
  regions: readonly Readonly<Pick<memblock_region, 'base' | 'size'>>[],
  columns: number,
  { base, unit }: Scale,
): string {
  const cells = new Array<string>(columns).fill('.');
  regions.forEach((region, i) => {
    const first = (region.base - base) / unit;
    const count = region.size / unit;
    if (!Number.isInteger(first) || !Number.isInteger(count)) throw new Error(`region ${i} is between columns`);
    if (count > 0) cells.fill(String.fromCharCode(97 + (i % 26)), first, first + count);
  });
  return cells.join('');
}

/** The regions of a list, without the empty one that stands for nothing. */
export const regionsOf = (type: memblock_type): memblock_region[] => type.regions.filter(({ size }) => size > 0);
