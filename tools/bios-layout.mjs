// Writes firmware/bios/layout.asm, the constants that the BIOS's machine code shares with firmware/layout.ts.

import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const firmware = join(dirname(fileURLToPath(import.meta.url)), '../firmware');
const { outputFiles } = await build({
  entryPoints: [join(firmware, 'layout.ts')],
  bundle: true,
  format: 'esm',
  write: false,
});
const code = Buffer.from(outputFiles[0].contents).toString('base64');
const { layoutAsm } = await import(`data:text/javascript;base64,${code}`);
writeFileSync(join(firmware, 'bios/layout.asm'), layoutAsm());
