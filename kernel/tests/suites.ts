// All self tests, in the order in which they run: what the later ones build on comes first.

import { e820_suite } from './e820.ts';
import type { Suite } from './env.ts';
import { memblock_suite } from './memblock.ts';
import { nodemask_suite } from './nodemask.ts';
import { srat_suite } from './srat.ts';
import { watermarks_suite } from './watermarks.ts';
import { zone_sizes_suite } from './zone_sizes.ts';
import { zonelists_suite } from './zonelists.ts';

export const suites: readonly Suite[] = [
  nodemask_suite,
  e820_suite,
  memblock_suite,
  srat_suite,
  zone_sizes_suite,
  zonelists_suite,
  watermarks_suite,
];
