// Guest code for tests, assembled by nasm when the test runs.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** @param org the address that the code will be at, for its absolute references */
export function assemble(source: string, org: number | bigint, bits: 16 | 32 | 64): Uint8Array {
  return nasm(`bits ${bits}\norg 0x${org.toString(16)}\n${source}\n`);
}

export function assembleFile(path: string): Uint8Array {
  return nasm(readFileSync(path, 'utf8'));
}

function nasm(source: string): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'pgdat-asm-'));
  try {
    const input = join(folder, 'guest.asm');
    const output = join(folder, 'guest.bin');
    writeFileSync(input, source);
    execFileSync('nasm', ['-f', 'bin', '-o', output, input], { stdio: ['ignore', 'inherit', 'inherit'] });
    return new Uint8Array(readFileSync(output));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
