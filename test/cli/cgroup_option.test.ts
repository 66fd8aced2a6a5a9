// `--cgroup` as a user sees it: groups and their limits, workloads in them, what the files show, what is refused.

import { describe, expect, it } from 'vitest';
import { boot as bootCommandLine } from '../support/boot_command.ts';

const boot = (...argv: string[]) => bootCommandLine('-m', '128M', ...argv);

describe('--cgroup', () => {
  it('makes groups whose files can be read', async () => {
    const { code, out, err } = await boot(
      ...['--cgroup', 'a/b,memory.max=16M,memory.low=1M,memory.oom.group=1', '--cgroup', 'c'],
      ...['memory.max', 'memory.low', 'memory.high', 'memory.oom.group'].flatMap((name) => [
        '--cat',
        `/sys/fs/cgroup/a/b/${name}`,
      ]),
      ...['--cat', '/sys/fs/cgroup/a/memory.max', '--cat', '/sys/fs/cgroup/c/memory.events'],
    );
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain(
      [
        '==> /sys/fs/cgroup/a/b/memory.max <==\n16777216\n',
        '==> /sys/fs/cgroup/a/b/memory.low <==\n1048576\n',
        '==> /sys/fs/cgroup/a/b/memory.high <==\nmax\n',
        '==> /sys/fs/cgroup/a/b/memory.oom.group <==\n1\n',
        '==> /sys/fs/cgroup/a/memory.max <==\nmax\n',
        '==> /sys/fs/cgroup/c/memory.events <==\nlow 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n',
      ].join('\n'),
    );
  });

  it('shows limits beyond 2^53 to the digit', async () => {
    const { out } = await boot('--cgroup', 'a,memory.max=7766279631452241919', '--cat', '/sys/fs/cgroup/a/memory.max');
    expect(out.trimEnd().split('\n').at(-1)).toBe('7766279631452237824');
  });

  it('kills in the group that is short, and tells of it as data too', async () => {
    const { code, out } = await boot('--json', '--cgroup', 'web,memory.max=8M', '--workload', 'fill@web');
    expect(code).toBe(0);
    const { workload } = JSON.parse(out);
    expect(workload.names).toEqual(['fill@web']);
    expect(workload.tasks[0].state).toBe('killed by the OOM killer');
    const [web] = workload.cgroups;
    expect(web).toMatchObject({ path: '/web', peak: 8 * 2 ** 20, max: 8 * 2 ** 20, swap_peak: 0 });
    expect(web.events).toMatchObject({ oom: 1, oom_kill: 1, high: 0 });
  });

  it('takes paths as Linux writes them, from /', async () => {
    const { code, out, err } = await boot('--cgroup', '/a/b,memory.max=8M', '--workload', 'fill@/a/b');
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^workload fill@a\/b, seed 1: finished/m);
    expect(out).toMatch(/^ {2}cgroup \/a\/b: at most 2048 of 2048 pages/m);
  });

  it('lets tasks take their time that are held up at memory.high', async () => {
    const { code, out, err } = await boot('-m', '72M', '--cgroup', 'web,memory.high=4K', '--workload', 'stream@web');
    expect([code, err]).toEqual([0, '']);
    const seconds = /^workload stream@web, seed 1: finished after (\d+)/m.exec(out)![1];
    expect(Number(seconds)).toBeGreaterThan(600);
  });

  it.each([
    [['--cgroup', 'a,memory.mx=1M'], 'did you mean memory.max?'],
    [['--cgroup', '//a'], '"//a" is no path such as a or a/b'],
    [['--cgroup', '/'], '"/" is no path such as a or a/b'],
    [['--cgroup', 'a/../b'], '"a/../b" is no path such as a or a/b'],
    [['--cgroup', 'a,memory.max'], '--cgroup a,memory.max: memory.max: a size such as 64M, or max, is needed'],
    [['--cgroup', 'a,memory.oom.group='], 'memory.oom.group: 0 or 1 is needed'],
    [['--cgroup', 'a', '--workload', 'fill@b'], '--workload fill@b: there is no --cgroup b'],
    [['--cgroup', 'a', '--workload', 'fil@a'], 'did you mean fill?'],
  ])('refuses %j', async (argv, why) => {
    const { code, err } = await boot(...argv);
    expect(code).toBe(2);
    expect(err).toContain(why);
  });

  it.each([
    [['--cgroup', 'web,memory.max=8M', '--workload', 'fill@web'], '--cgroup: there are no memory cgroups'],
    [['--workload', 'groups'], '--workload groups: there are no memory cgroups'],
    [['--cat', '/sys/fs/cgroup/memory.stat'], '--cat /sys/fs/cgroup/memory.stat: there is none'],
  ])('refuses %j where the kernel has no memory controller', async (argv, why) => {
    const { code, out, err } = await boot('-append', 'cgroup_disable=memory', ...argv);
    expect([code, err]).toEqual([2, `pgdat boot: ${why} with cgroup_disable=memory\n`]);
    expect(out).toMatch(/\] cgroup: Disabling memory control group subsystem$/m);
    expect(out).not.toMatch(/^workload/m);
  });

  it('runs workloads without the memory controller, which needs nothing for swap then', async () => {
    const run = ['--swap', '16M', '--workload', 'fill', '--cat', '/sys/fs/cgroup/cgroup.procs', '--json'];
    const { code, out, err } = await boot(...run, '-append', 'cgroup_disable=memory,blkio');
    expect([code, err]).toEqual([0, '']);
    const { log, workload } = JSON.parse(out);
    expect(log.filter((line: string) => line.startsWith('cgroup:'))).toEqual([
      'cgroup: Disabling memory control group subsystem',
      'cgroup: Disabling io control group subsystem',
    ]);
    expect(workload).toMatchObject({ ended: 'finished', problems: [], wrong_pages: 0 });
    const all = JSON.parse((await boot(...run)).out);
    // Which has 2 bytes for each of its 4096 pages.
    expect(workload.samples[0].free[1] - all.workload.samples[0].free[1]).toBeGreaterThanOrEqual(2);
  });

  it('refuses values that no group takes, all of them and before the boot', async () => {
    const wrong = [
      'memory.max=much',
      'memory.low=-1',
      'memory.reclaim=max',
      'memory.oom.group=2',
      'memory.swap.max=1M1',
    ];
    const { code, out, err } = await boot('--cgroup', `a,${wrong.join(',')}`, '--cgroup', 'b,memory.oom.group=yes');
    expect([code, out]).toEqual([2, '']);
    expect(err.match(/memory[\w.]+: .*$/gm)).toEqual([
      'memory.max: a size such as 64M, or max, is needed',
      'memory.low: a size such as 64M, or max, is needed',
      'memory.reclaim: a size such as 64M is needed',
      'memory.oom.group: 0 or 1 is needed',
      'memory.swap.max: a size such as 64M, or max, is needed',
      'memory.oom.group: 0 or 1 is needed',
    ]);
  });

  it('tells what the kernel refuses', async () => {
    const { code, err } = await boot('--cgroup', 'b,memory.reclaim=1M');
    expect([code, err]).toEqual([1, 'pgdat boot: --cgroup b: memory.reclaim=1M: Resource temporarily unavailable\n']);
  });

  it('begins nothing in a group that there was no memory to make', async () => {
    const reserved = ['--sysctl', 'vm.min_free_kbytes=2147483647'];
    const { code, out, err } = await boot(...reserved, '--cgroup', 'a', '--workload', 'fill@a');
    expect([code, err]).toEqual([1, 'pgdat boot: --cgroup a: mkdir: Cannot allocate memory\n']);
    expect(out).toContain('  fill: not begun: it has no cgroup, 0 pages written, 0 read and compared\n');
  });
});

describe('--workload groups', () => {
  it('reclaims from those with limits, and leaves the other alone', async () => {
    const { code, out, err } = await boot('--swap', '64M', '--workload', 'groups');
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^ {2}cgroup \/limited: at most (\d+) of \1 pages, [1-9]\d* in swap; max [1-9]\d*$/m);
    expect(out).toMatch(/^ {2}cgroup \/cache: at most (\d+) of \1 pages, 0 in swap; max [1-9]\d*$/m);
    expect(out).toMatch(/^ {2}cgroup \/free: at most \d+ pages, 0 in swap; no events$/m);
  });
});
