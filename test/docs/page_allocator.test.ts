// docs/page-allocator.md: every function is where the page says, and the walk is what the command prints.

import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bootCommand } from '../../cli/boot.ts';
import { dispatch } from '../../cli/main.ts';
import { withLines } from '../../tools/doc-lines.mjs';
import { Captured } from '../support/capture.ts';

const at = (path: string): URL => new URL(path, new URL('../../docs/', import.meta.url));
const page = readFileSync(at('page-allocator.md'), 'utf8');

const rows = [...page.matchAll(/^\| (.*) \| (`.*`) \| (.*) \|$/gm)];

describe('the map', () => {
  it('has the functions that articles are about', () => {
    const left = rows.map(([, names]) => names).join();
    for (const name of [
      ...[
        '__alloc_pages_nodemask',
        'prepare_alloc_pages',
        'finalise_ac',
        'get_page_from_freelist',
        'zone_watermark_fast',
      ],
      ...['rmqueue', 'rmqueue_bulk', '__rmqueue_smallest', 'expand', 'prep_new_page', '__alloc_pages_slowpath'],
      ...['try_to_free_pages', 'warn_alloc', 'free_hot_cold_page', '__free_pages_ok', 'free_one_page', 'shrink_zones'],
    ]) {
      expect(left).toContain(`\`${name}()\``);
    }
  });

  it('says on which line each is: else run "node tools/doc-lines.mjs"', () => {
    expect(rows.length).toBeGreaterThan(50);
    expect(rows.map(([, , , where]) => where).filter((where) => where!.includes('no '))).toEqual([]);
    expect(page).toBe(withLines(page));
  });
});

it('links to files that are there', () => {
  const links = [...page.matchAll(/\]\((?!http)([^)#]+)\)/g)].map(([, path]) => path!);
  expect(links.length).toBeGreaterThan(40);
  expect(links.filter((path) => !existsSync(at(path)))).toEqual([]);
});

it('the walk is what the command of the page prints', async () => {
  const [, command, walk] = /^ {4}\$ npm run -s pgdat -- (boot .*--explain .*)\n {4}\.\.\.\n((?: {4}.*\n)+)/m.exec(
    page,
  )!;
  const output = new Captured();
  await dispatch([bootCommand], [...command!.split(' '), '--firmware', 'none'], output);
  const printed = output.stdout.slice(output.stdout.indexOf('\norder ') + 1);
  expect(printed).toBe(walk!.replaceAll(/^ {4}/gm, ''));
});
