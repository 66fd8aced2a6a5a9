// `--at` and `--chart` as a user sees them: files, requests and free pages in the middle of a run, which goes on as if nobody
// had looked.

import { describe, expect, it } from 'vitest';
import { boot } from '../support/boot_command.ts';

const NODES = ['-m', '128M', '-smp', '2'].concat(
  ...[0, 1].map((n) => [
    ...['-object', `memory-backend-ram,id=m${n},size=64M`],
    ...['-numa', `node,memdev=m${n},nodeid=${n},cpus=${n}`],
  ]),
);
const SHORT = ['-m', '128M', '--swap', '16M', '--workload', 'fill'];

describe('--at', () => {
  it('changes nothing of the run: trace, counters, samples and lists are the same to the byte', async () => {
    const run = [
      ...['--json', ...NODES, '--swap', '32M', '--cgroup', 'web,memory.max=32M'],
      ...['--workload', 'fill@web', '--workload', 'fill'],
      ...['-append', 'trace_event=vmscan,kmem,oom,writeback,compaction'],
      ...['--cat', '/sys/kernel/tracing/trace'],
      ...['buddyinfo', 'pagetypeinfo', 'zoneinfo', 'vmstat', 'meminfo', 'swaps'].flatMap((name) => ['--cat', name]),
      ...['memory.stat', 'memory.numa_stat', 'memory.events', 'cgroup.procs'].flatMap((name) => [
        '--cat',
        `/sys/fs/cgroup/web/${name}`,
      ]),
    ];
    const alone = JSON.parse((await boot(...run)).out);
    const times = ['0s', '1ms', '7ms', '15ms', '0.02s'];
    const { code, out, err } = await boot(...run, ...times.flatMap((time) => ['--at', time]));
    const { looks, ...seen } = JSON.parse(out);
    expect([code, err]).toEqual([0, '']);
    // By name: what has changed would be megabytes.
    const differs = (name: string): boolean => JSON.stringify(seen[name]) !== JSON.stringify(alone[name]);
    expect(Object.keys({ ...alone, ...seen }).filter(differs)).toEqual([]);
    expect(looks.map((look: { time_ns: number }) => look.time_ns)).toEqual([0, 1e6, 7e6, 15e6, 20e6]);
    const used = looks.map((look: { files: Record<string, string> }) => look.files['/proc/vmstat']);
    expect(new Set(used).size).toBe(times.length);
  }, 60_000);

  it('names the time above what it shows, in the order of time, also of messages', async () => {
    const { code, out, err } = await boot(...SHORT, '--at', '32ms', '--at', '500us', '--cat', 'swaps');
    expect([code, err]).toEqual([0, '']);
    const heads = out.match(/^(after .*|Filename|.*Out of memory: Killed|workload fill)/gm);
    expect(heads?.map((head) => head.replace(/^\[.*\] /, ''))).toEqual([
      ...['after 0.0005 s of virtual time:', 'Filename', 'after 0.032 s of virtual time:', 'Filename'],
      ...['Out of memory: Killed', 'workload fill', 'Filename'],
    ]);
    expect(out).toMatch(/^after 0\.0005 s of virtual time:\n\nFilename.*\n\/dev\/vda +partition\t16380\t\t0\t\t-2$/m);
    expect(out).toMatch(/^after 0\.032 s of virtual time:\n\nFilename.*\n\/dev\/vda +partition\t16380\t\t[1-9]/m);
  });

  it('tells what a request would come to then, of a task that can wait, and nothing of other requests', async () => {
    const asked = ['--json', ...SHORT, '--explain', 'GFP_KERNEL,order=9', '--at', '1us', '--at', '32ms'];
    const { code, out, err } = await boot(...asked);
    expect([code, err]).toEqual([0, '']);
    const { explained, looks, ...seen } = JSON.parse(out);
    type Steps = { steps: { code: string; what?: string; pfn?: number | null }[] }[];
    const all: Steps[] = [explained, ...looks.map((look: { explained: Steps }) => look.explained)];
    for (const [{ steps }] of all as [Steps[0]][]) {
      expect(steps.filter((step) => step.code === 'request')).toHaveLength(1);
      expect(steps.filter((step) => step.code === 'result')).toEqual([steps.at(-1)]);
    }
    const calls = all.map(([one]) => new Set(one!.steps.flatMap(({ what }) => what ?? [])));
    expect(calls).toEqual([new Set(), new Set(), new Set(['kswapd', 'compaction', 'reclaim'])]);
    // Each in a run of its own: the one before is not there.
    expect(looks[0].explained).not.toEqual(explained);
    const only = JSON.parse((await boot(...asked.slice(0, -4), '--at', '32ms')).out);
    expect(only).toEqual({ explained, looks: looks.slice(1), ...seen });
  });

  it('says what the run did not come to', async () => {
    const { code, out, err } = await boot(...SHORT, '--at', '1s', '--cat', 'swaps');
    expect([code, err]).toEqual([0, 'pgdat: warning: --at 1.000 s: the workloads were over before that\n']);
    expect(out).not.toMatch(/^after /m);
  });

  it('has been shown when the kernel stops later', async () => {
    const { code, out, err } = await boot(
      ...[...SHORT, '--json', '--sysctl', 'vm.panic_on_oom=1', '--at', '32ms', '--at', '1s', '--cat', 'cmdline'],
    );
    expect(code).toBe(1);
    expect(err).toMatch(
      /^pgdat: warning: --at 1\.000 s: the kernel stopped before that\npgdat: warning: --cat: no file/,
    );
    expect(JSON.parse(out)).toMatchObject({ looks: [{ time_ns: 32e6, files: { '/proc/cmdline': '\n' } }], files: {} });
  });

  it.each([
    [[...SHORT, '--cat', 'swaps', '--at', '2'], '--at 2: a time with its unit is needed, such as 2s, 150ms or 20us'],
    [
      [...SHORT, '--cat', 'swaps', '--at', '-1s'],
      '--at -1s: a time with its unit is needed, such as 2s, 150ms or 20us',
    ],
    [[...SHORT, '--at', '2s'], '--at: what to show is missing, --cat FILE or --explain REQUEST'],
    [['--cat', 'swaps', '--at', '2s'], '--at: without a --workload nothing goes on after the boot'],
  ])('refuses %j', async (argv, why) => {
    expect(await boot(...argv)).toEqual({ code: 2, out: '', err: `pgdat boot: ${why}\n` });
  });
});

describe('--chart', () => {
  const FILL = ['-m', '128M', '--swap', '128M', '--workload', 'fill'];

  it('shows kswapd wake up below low and stop above high, of the same run', async () => {
    interface Pressure {
      zones: { zone: string; low: number; high: number }[];
      samples: { time_ns: number; free: number[]; kswapd: boolean[] }[];
    }
    const of = async (...argv: string[]): Promise<Pressure> =>
      JSON.parse((await boot('--json', ...FILL, ...argv)).out).workload;
    const { samples: all, ...run } = await of();
    const { samples, ...same } = await of('--chart', '40ms..60ms');
    expect(same).toEqual(run);
    expect(samples.every(({ time_ns }) => time_ns >= 40e6 && time_ns <= 60e6)).toBe(true);
    expect(samples.length).toBeGreaterThan(4 * all.filter(({ time_ns }) => time_ns >= 40e6 && time_ns <= 60e6).length);
    const zone = run.zones.findIndex(({ zone }) => zone === 'DMA32');
    const { low, high } = run.zones[zone]!;
    const free = samples.map((sample) => sample.free[zone]!);
    const wakes = samples.flatMap(({ kswapd }, n) => (n > 0 && kswapd[0] && !samples[n - 1]!.kswapd[0] ? [n] : []));
    expect(wakes.length).toBeGreaterThan(1);
    for (const n of wakes) {
      expect(free[n - 1]).toBeLessThan(low + (high - low) / 4);
      expect(Math.max(...free.slice(n, n + 10))).toBeGreaterThanOrEqual(high);
    }
  });

  it('has an axis from the one time to the other, and a mark for where kswapd was at work part of the time', async () => {
    const { out } = await boot(...FILL, '--chart', '40ms..60ms');
    expect(out).toMatch(/^Free pages, sampled \d+ times from 0\.040 s to 0\.060 s\.$/m);
    expect(out).toMatch(/^ +kswapd0 \| +\+/m);
    expect(out).toMatch(/^ +0\.040 +0\.060 s$/m);
    expect((await boot(...SHORT, '--chart', '5s..6s')).out).toMatch(
      /\nFree pages, sampled 0 times from 5.000 s to 6.000 s\.\n$/,
    );
  });

  it.each([
    [[...FILL, '--chart', '4..6s'], '--chart 4..6s: two times with their units are needed, such as 40ms..60ms'],
    [[...FILL, '--chart', '6s..4s'], '--chart 6s..4s: two times with their units are needed, such as 40ms..60ms'],
    [['--chart', '4s..6s'], '--chart: without a --workload nothing is drawn'],
  ])('refuses %j', async (argv, why) => {
    expect(await boot(...argv)).toEqual({ code: 2, out: '', err: `pgdat boot: ${why}\n` });
  });
});
