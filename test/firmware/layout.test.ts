import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { layoutAsm } from '../../firmware/layout.ts';

test('bios/layout.asm is what layout.ts makes (else: node tools/bios-layout.mjs)', () => {
  expect(readFileSync(new URL('../../firmware/bios/layout.asm', import.meta.url), 'utf8')).toBe(layoutAsm());
});
