// `--swap` as a user sees it: what is said at boot, what the files show, what is refused.

import { describe, expect, it } from 'vitest';
import { bootCommand } from '../../cli/boot.ts';
import { dispatch } from '../../cli/main.ts';
import { commandHelp } from '../../cli/options.ts';
import { parseSwapOption } from '../../cli/swap_option.ts';
import { Captured } from '../support/capture.ts';

async function boot(...argv: string[]) {
  const output = new Captured();
  const code = await dispatch([bootCommand], ['boot', '--firmware', 'none', '-m', '256M', ...argv], output);
  return { code, out: output.stdout, err: output.stderr };
}

describe('--swap', () => {
  it('adds areas in order, with priorities, and /proc shows them', async () => {
    const { code, out, err } = await boot(
      ...['--swap', '64M', '--swap', '32M,rotating,priority=5'],
      ...['--cat', '/proc/swaps', '--cat', '/proc/meminfo'],
    );
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain('pgdat: vda: 131072 512-byte logical blocks, solid state');
    expect(out).toContain('Adding 65532k swap on /dev/vda.  Priority:-2 extents:1 across:65532k SSFS');
    expect(out).toContain('Adding 32764k swap on /dev/vdb.  Priority:5 extents:1 across:32764k FS');
    expect(out).toMatch(/^\/dev\/vda {32}partition\t65532\t\t0\t\t-2\n\/dev\/vdb {32}partition\t32764\t\t0\t\t5\n/m);
    expect(out).toMatch(/^SwapTotal: +98296 kB\nSwapFree: +98296 kB$/m);
  });

  it('takes MiB where no unit is named, as QEMU takes -m, and the help says so', () => {
    expect(parseSwapOption('64', 0)).toEqual(parseSwapOption('64M', 0));
    expect(commandHelp(bootCommand.spec).replaceAll(/\s+/g, ' ')).toContain('(MiB where no K, M, G or T follows)');
  });

  it.each([
    ['x', 'is no size of up to 16T'],
    ['32T', 'is no size of up to 16T'],
    ['39K', 'an area has at least 10 pages'],
    ['64M,fast', '"fast" is neither rotating nor priority=N'],
    ['64M,priority=40000', 'a priority is at most 32767'],
  ])('refuses %s', (text, why) => {
    expect(() => parseSwapOption(text, 0)).toThrow(why);
  });

  it('takes a wrong size for a wrong request', async () => {
    expect((await boot('--swap', '64Q')).code).toBe(2);
  });

  it('knows how many disks a machine has', async () => {
    const { code, err } = await boot(...Array.from({ length: 9 }, () => ['--swap', '64M']).flat());
    expect(code).toBe(2);
    expect(err).toContain('--swap: a machine has at most 8 disks');
  });
});
