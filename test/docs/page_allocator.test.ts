// docs/page-allocator.md: every function is where the page says, and the walk is what the command prints.

import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bootCommand } from '../../cli/boot.ts';
import { dispatch } from '../../cli/main.ts';
import { Captured } from '../support/capture.ts';

const at = (path: string): URL => new URL(path, new URL('../../docs/', import.meta.url));
const page = readFileSync(at('page-allocator.md'), 'utf8');

/** Whether a file defines a function, method, class or type of that name. */
function defines(text: string, name: string): boolean {
  const definition = new RegExp(
    `^(export )?(function\\*?|const|class|type|interface) ${name}\\b|^ {2}${name}\\(k: Kernel`,
    'm',
  );
  return definition.test(text);
}

const rows = [...page.matchAll(/^\| (.*) \| (`.*`) \| \[(\S+)\]\((\S+)\) \|$/gm)];

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

  it.each(rows.map(([, , names, , path]) => [path!, names!] as const))('%s has %s', (path, names) => {
    const text = readFileSync(at(path), 'utf8');
    for (const [, name] of names.matchAll(/`(\w+)`/g)) expect([name, defines(text, name!)]).toEqual([name, true]);
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
