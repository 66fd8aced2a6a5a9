// /sys/kernel/debug/extfrag against what a real 6.1.192 showed of the same free lists.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { debian } from '../../../kernel/config.ts';
import { extfrag_show, unusable_show } from '../../../kernel/fs/extfrag.ts';
import { frag_show } from '../../../kernel/fs/proc/buddyinfo.ts';
import { AREA_NR_FREE, AREA_WORDS, Z_FREE_AREA } from '../../../kernel/include/zone_words.ts';
import { start_kernel } from '../../../kernel/init/main.ts';
import { for_each_populated_zone } from '../../../kernel/mm/mmzone_iter.ts';
import { bootKernel, pcMap } from '../../support/boot.ts';

const k = bootKernel({ e820: pcMap(2 ** 28), config: debian, cmdline: '' });
start_kernel(k);

/** Free blocks by order, of DMA and of DMA32. */
function has(lists: readonly (readonly number[])[]): void {
  for (const [n, zone] of [...for_each_populated_zone(k)].entries()) {
    for (const [order, blocks] of lists[n]!.entries())
      zone.view[Z_FREE_AREA + order * AREA_WORDS + AREA_NR_FREE] = blocks;
  }
}

const recorded = ['index', 'huge', 'holes'].flatMap((name) => {
  const text = readFileSync(new URL(`../../golden/pressure/${name}.txt`, import.meta.url), 'utf8');
  return ['before', 'after'].map((section): [string, string, string[]] => [
    name,
    section,
    text.split(`BEGIN ${section}\n`)[1]!.split('\nEND')[0]!.split('\n'),
  ]);
});

describe('extfrag', () => {
  it.each(recorded)('as recorded: %s, %s', (_name, _section, lines) => {
    const buddyinfo = lines.filter((line) => line.startsWith('Node'));
    has(buddyinfo.map((line) => line.trim().split(/ +/).slice(4).map(Number)));
    expect(frag_show(k)).toBe(buddyinfo.map((line) => `${line}\n`).join(''));
    const of = (file: string) =>
      lines
        .filter((line) => line.startsWith(`/sys/kernel/debug/extfrag/${file}:`))
        .map((line) => `${line.slice(line.indexOf(':') + 1)}\n`)
        .join('');
    expect(of('extfrag_index')).toMatch(/^(Node 0, zone +\w+ ([ -]\d\.\d{3} ){11}\n){2}$/);
    expect(extfrag_show(k)).toBe(of('extfrag_index'));
    expect(unusable_show(k)).toBe(of('unusable_index'));
  });

  it('of nothing free, and of one block: as printf prints what is below 0 and not -1', () => {
    const none = new Array<number>(11).fill(0);
    has([none, none.with(2, 1)]);
    expect(extfrag_show(k).split('\n')[0]).toBe(`Node 0, zone      DMA ${' 0.000 '.repeat(11)}`);
    expect(unusable_show(k).split('\n')[0]).toBe(`Node 0, zone      DMA ${'1.000 '.repeat(11)}`);
    // One block of 4 pages, for 8 pages: 1000 - (1000 + 4 * 1000 / 8) / 1.
    expect(extfrag_show(k).split('\n')[1]).toBe(
      `Node 0, zone    DMA32 ${'-1.000 '.repeat(3)} 0.-500  0.-250  0.-125  0.-62  0.-31  0.-15  0.-07  0.-03 `,
    );
  });
});
