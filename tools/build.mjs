// Builds what runs: TypeScript bundled to build/pgdat.mjs, the guest's machine code assembled by nasm.
//
// One bundle because start-up counts: loading the tree through a TypeScript loader takes longer than a whole boot. The
// bundle is made again whenever a source is newer, so that what runs is always what is written.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const at = (...parts) => join(root, ...parts);

const sourceFolders = ['cli', 'emu', 'firmware', 'kernel', 'bench'];

/** Machine code: the source that nasm is given, and what it makes. Includes count through their folder. */
const assembled = [
  { source: 'firmware/bios/bios.asm', output: 'build/bios.bin' },
  { source: 'kernel/arch/x86/head_64.asm', output: 'build/head_64.bin' },
  { source: 'kernel/lib/guest/free_list_walk.asm', output: 'build/free_list_walk.bin' },
];
const bundle = 'build/pgdat.mjs';

/** Time of the last change below `folder` among files that end as given, in milliseconds. */
function newest(folder, ending) {
  let time = 0;
  if (!existsSync(folder)) return time;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) time = Math.max(time, newest(path, ending));
    else if (entry.name.endsWith(ending)) time = Math.max(time, statSync(path).mtimeMs);
  }
  return time;
}

const builtAt = (output) => (existsSync(at(output)) ? statSync(at(output)).mtimeMs : 0);

const codeIsStale = () => builtAt(bundle) <= Math.max(...sourceFolders.map((folder) => newest(at(folder), '.ts')));

const staleAssembly = () =>
  assembled.filter(
    ({ source, output }) => existsSync(at(source)) && builtAt(output) <= newest(at(dirname(source)), '.asm'),
  );

function assemble({ source, output }) {
  try {
    execFileSync('nasm', ['-f', 'bin', '-I', at(dirname(source)), '-o', at(output), at(source)], {
      stdio: ['ignore', 'inherit', 'pipe'],
    });
    return true;
  } catch (error) {
    if (error.code === 'ENOENT') return false;
    throw new Error(`nasm could not assemble ${source}:\n${error.stderr}`);
  }
}

async function bundleCode() {
  const { build } = await import('esbuild');
  await build({
    entryPoints: [at('cli/main.ts')],
    outfile: at(bundle),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['koffi'],
    // Writes constants into the code that uses them, across modules too: the compiler knows nothing of a bundled
    // module's variables, and the allocator's paths are full of word indices and masks.
    minifySyntax: true,
    sourcemap: 'linked',
    logLevel: 'error',
  });
}

/**
 * Brings build/ up to date.
 * @returns the outputs that could not be made because nasm is not installed: only `--firmware none` works without them
 */
export async function bringUpToDate({ code = true } = {}) {
  const missing = [];
  mkdirSync(at('build'), { recursive: true });
  for (const job of staleAssembly()) if (!assemble(job)) missing.push(job.output);
  if (code && codeIsStale()) await bundleCode();
  return missing;
}
