#!/usr/bin/env node
// The command line's entry: brings the build up to date, then runs it.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';

// The allocator's paths are long: let the compiler put those of small blocks, and what they call, into their callers. Those
// of large blocks are longer than the limit, and better off alone: there the loop over their pages has the registers.
setFlagsFromString('--max-inlined-bytecode-size=1300');
setFlagsFromString('--max-inlined-bytecode-size-cumulative=5000');

if (!existsSync(fileURLToPath(new URL('../node_modules', import.meta.url)))) {
  console.error(
    'pgdat: dependencies are not installed: run "make boot" once, or "npm install --no-save --ignore-scripts"',
  );
  process.exit(1);
}
try {
  const { bringUpToDate } = await import('../tools/build.mjs');
  await bringUpToDate();
} catch (error) {
  console.error(`pgdat: the build failed: ${error.message}`);
  process.exit(1);
}
const { main } = await import('../build/pgdat.mjs');
process.exitCode = await main(process.argv.slice(2));
