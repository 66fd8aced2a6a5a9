// Memory drawn as text, one character a page: 'x' or any letter is part of a region, '.' is not. A change of letter
// begins a new region.

import type { phys_addr_t } from '../include/types.ts';
import type { memblock_type } from '../mm/memblock.ts';

export const PICTURE_BASE: phys_addr_t = 0x100000;
export const PICTURE_UNIT = 0x1000;

export interface PictureRange {
  readonly base: phys_addr_t;
  readonly size: number;
  readonly letter: string;
}

export function ranges_of(picture: string): PictureRange[] {
  return [...picture.matchAll(/([^.])\1*/g)].map((run) => ({
    base: PICTURE_BASE + run.index * PICTURE_UNIT,
    size: run[0].length * PICTURE_UNIT,
    letter: run[1]!,
  }));
}

export const address_of = (column: number): phys_addr_t => PICTURE_BASE + column * PICTURE_UNIT;

/** The list as a picture, its regions lettered a, b, c... A region that is not whole columns is a '?'. */
export function picture_of(type: memblock_type, columns: number): string {
  const cells = Array.from({ length: columns }, () => '.');
  type.regions
    .filter((region) => region.size > 0)
    .forEach((region, i) => {
      const first = (region.base - PICTURE_BASE) / PICTURE_UNIT;
      const count = region.size / PICTURE_UNIT;
      const whole = Number.isInteger(first) && Number.isInteger(count) && first >= 0 && first + count <= columns;
      const letter = whole ? String.fromCharCode(97 + (i % 26)) : '?';
      const from = Math.max(0, Math.floor(first));
      const to = Math.min(columns, Math.max(from + 1, Math.ceil(first + count)));
      for (let column = from; column < to; column++) cells[column] = letter;
    });
  return cells.join('');
}
