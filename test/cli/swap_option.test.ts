// `--swap` as a user sees it: what is said at boot, what the files show, what is refused.

import { describe, expect, it } from 'vitest';
import { bootCommand } from '../../cli/boot.ts';
import { commandHelp } from '../../cli/options.ts';
import { parseSwapOption } from '../../cli/swap_option.ts';
import { boot as bootCommandLine } from '../support/boot_command.ts';

const boot = (...argv: string[]) => bootCommandLine('-m', '256M', ...argv);

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
    ['64M,fast', '"fast" is neither rotating nor priority=N, read-errors=N, write-errors=N, stalls=N'],
    ['64M,priority=', '"priority=" is neither rotating nor priority=N'],
    ['64M,priority=40000', 'priority is at most 32767'],
    ['64M,stalls=1000001', 'stalls is at most 1000000'],
  ])('refuses %s', (text, why) => {
    expect(() => parseSwapOption(text, 0)).toThrow(why);
  });

  it('has disks that fail: whoever needs such a page gets a signal, and what was not written stays in memory', async () => {
    const fill = ['-m', '80M', '--workload', 'fill', '--json'];
    const run = async (
      swap: string,
    ): Promise<{ workload: { ended: string; tasks: { state: string }[]; time_ns: number } }> =>
      JSON.parse((await boot(...fill, '--swap', swap)).out);
    const { workload: whole } = await run('80M');
    const { workload: unread } = await run('80M,read-errors=2000');
    const { workload: unwritten } = await run('80M,write-errors=20000');
    const { workload: stalled } = await run('80M,stalls=1000');
    expect([whole, unread, unwritten, stalled].map(({ ended, tasks }) => [ended, tasks[0]!.state])).toEqual([
      ['finished', 'finished'],
      ['finished', 'killed (SIGBUS)'],
      ['finished', 'finished'],
      ['finished', 'finished'],
    ]);
    expect(stalled.time_ns).toBeGreaterThan(whole.time_ns);
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
