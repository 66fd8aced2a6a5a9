// Machines that the host has no room for are refused before they boot, in one line with both numbers.

import { expect, it } from 'vitest';
import { bootCommand } from '../../cli/boot.ts';
import { hostMemoryProblem } from '../../cli/host_memory.ts';
import { dispatch } from '../../cli/main.ts';
import { machineFromJson } from '../../emu/config/machine_file.ts';
import { Captured } from '../support/capture.ts';

const MiB = 2 ** 20;

function problem(file: unknown, cmdline: string, available: number): string | null {
  const parsed = machineFromJson(file);
  if ('errors' in parsed) throw new Error(parsed.errors.join('\n'));
  return hostMemoryProblem(parsed.config, cmdline, available);
}

const soft_reserved = {
  e820: [
    { start: 0, size: '1G', type: 'usable' },
    { start: '4G', size: '1T', type: 'soft reserved' },
  ],
};

it.each([
  ['4 GiB take 64 MiB and 200 more', { ram: '4G' }, '', 264 * MiB, null],
  ['a byte too little', { ram: '4G' }, '', 264 * MiB - 1, 'take 264 MiB, the host has 264 MiB available'],
  [
    '2 TiB',
    { qemu: '-m 2T -cpu qemu64,phys-bits=46' },
    '',
    24000 * MiB,
    'take 32968 MiB, the host has 24000 MiB available',
  ],
  [
    '2 TiB of which the kernel sees little',
    { qemu: '-m 2T -cpu qemu64,phys-bits=46' },
    'quiet mem=1G',
    24000 * MiB,
    null,
  ],
  ['memory without a memory map', soft_reserved, '', 216 * MiB, null],
])('%s', (_name, file, cmdline, available, wanted) => {
  const found = problem(file, cmdline, available);
  if (wanted === null) expect(found).toBeNull();
  else expect(found).toContain(wanted);
});

it('pgdat boot says so and boots nothing', async () => {
  const output = new Captured();
  const argv = ['boot', '--firmware', 'none', '-cpu', 'qemu64,phys-bits=46', '-m', '50T'];
  expect(await dispatch([bootCommand], argv, output)).toBe(1);
  expect(output.stdout).toBe('');
  expect(output.stderr).toMatch(
    /^pgdat boot: this machine's memory map and the rest take 819400 MiB, the host has \d+ MiB available: .*\n$/,
  );
});
