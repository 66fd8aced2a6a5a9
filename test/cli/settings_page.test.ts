// docs/settings.md against what there is: every switch with both presets' values, every sysctl with its limits.

import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { configSwitches } from '../../cli/config_option.ts';
import { sysctlNames } from '../../cli/sysctl_option.ts';
import { presets } from '../../kernel/config.ts';
import { sysctl_files } from '../../kernel/fs/proc/proc_sysctl.ts';

const page = readFileSync(new URL('../../docs/settings.md', import.meta.url), 'utf8');

/** Cells of the table rows below a heading; the first cell's names are apart. */
function rows(heading: string): { names: string[]; cells: string[] }[] {
  const section = page.split(/^## /m).find((one) => one.startsWith(heading))!;
  return section
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .map(([, names = '', ...cells]) => ({
      names: [...names.matchAll(/`([\w.-]+)`/g)].map(([, name]) => name!),
      cells,
    }));
}

it('has every switch, and how each preset has it', () => {
  const found = rows('--config').flatMap(({ names, cells }) => names.map((name) => [name, cells[0], cells[1]]));
  const yes = (name: string, preset: keyof typeof presets) =>
    presets[preset][name as keyof typeof presets.debian] === true ? 'y' : 'n';
  const wanted = configSwitches.map((name) => [name, yes(name, 'debian'), yes(name, 'recorder')]);
  expect(found.sort()).toEqual(wanted.sort());
});

it('has every sysctl, and its limits', () => {
  const described = rows('--sysctl');
  expect(described.flatMap(({ names }) => names).sort()).toEqual([...sysctlNames].sort());
  for (const { names, cells } of described) {
    for (const name of names) {
      const { min, max } = sysctl_files.get(`sys/${name.replaceAll('.', '/')}`)!;
      for (const limit of [min, max]) if (limit !== undefined) expect(`${name}: ${cells[0]}`).toContain(String(limit));
    }
  }
});
