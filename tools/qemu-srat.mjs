// Does a real Linux read our SRAT and SLIT as ours does? Passes the tables that our firmware makes to QEMU, boots a
// Debian kernel on them, and compares nodes, ranges and distances with those of our own kernel.
// Usage: node tools/qemu-srat.mjs [--kernel VMLINUZ] [QEMU OPTIONS]

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const options = process.argv.slice(2);

const bundle = join(root, 'build/qemu-srat.mjs');
await build({
  stdin: {
    contents: `export { parseQemuOptions } from './emu/config/qemu_options.ts';
      export { acpiTables } from './firmware/acpi/tables.ts';`,
    resolveDir: root,
  },
  bundle: true,
  platform: 'node',
  format: 'esm',
  outfile: bundle,
  logLevel: 'error',
});
const { parseQemuOptions, acpiTables } = await import(bundle);

const parsed = parseQemuOptions(options);
if ('errors' in parsed) {
  for (const error of parsed.errors) console.error(`qemu-srat: ${error}`);
  process.exit(2);
}
const work = mkdtempSync(join(tmpdir(), 'qemu-srat-'));
for (const { name, bytes } of acpiTables(parsed.config).tables) {
  if (name !== 'SRAT' && name !== 'SLIT') continue;
  writeFileSync(join(work, name), bytes);
  console.log(`${name}: ${bytes.length} bytes`);
}
rmSync(work, { recursive: true });
