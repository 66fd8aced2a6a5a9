// `--workload` as a user sees it: the list, what is refused, the outcome with its chart, the same output every time.

import { describe, expect, it } from 'vitest';
import { workloads } from '../../kernel/workloads/workloads.ts';
import { boot } from '../support/boot_command.ts';

describe('--workload', () => {
  it('lists names, one a line, each with what it shows', async () => {
    const { code, out, err } = await boot('--workload', 'list');
    expect([code, err]).toEqual([0, '']);
    expect(out.trimEnd().split('\n')).toEqual(
      workloads.map(({ name, shows }) => expect.stringMatching(new RegExp(`^${name} +${shows[0]}`))),
    );
  });

  it.each([
    [['--workload', 'fil'], 'did you mean fill?'],
    [['--workload', 'fill@'], '--workload fill@: the name of a --cgroup is needed behind @'],
    [['--workload', '@a', '--cgroup', 'a'], 'boot: --workload @a: the name of a workload is needed, there are fill, '],
    [['--workload', 'fil@a', '--cgroup', 'a'], 'boot: --workload fil@a: there are fill, '],
    [['--workload', 'fill@a@b', '--cgroup', 'a'], '--workload fill@a@b: there is no --cgroup a@b'],
    [['--workload', 'fill', '--seed', '0'], '--seed 0: a number from 1 to 4294967295 is needed'],
    [['--workload', 'fill', '--seed', '1e3'], '--seed 1e3'],
  ])('refuses %j', async (argv, why) => {
    const { code, err } = await boot(...argv);
    expect(code).toBe(2);
    expect(err).toContain(why);
  });

  it('tells how it ended and draws free pages against watermarks', async () => {
    const { code, out, err } = await boot('-m', '128M', '--swap', '128M', '--workload', 'fill', '--seed', '2');
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^workload fill, seed 2: finished after \d+\.\d{3} s of virtual time$/m);
    expect(out).toMatch(/^ {2}fill: finished, (\d+) pages written, \1 read and compared$/m);
    expect(out).toMatch(/^ +low \d+ \|[-* .]+$/m);
    expect(out).toMatch(/^ +kswapd0 \|[ #+]*#[ #+]*$/m);
  });

  it('tells a run up to the panic that it ended in', async () => {
    const options = ['-m', '128M', '--sysctl', 'vm.panic_on_oom=1', '--workload', 'fill', '--cat', 'vmstat'];
    const { code, out, err } = await boot(...options);
    const unread = 'pgdat: warning: --cat: no file can be read at the end, as the kernel has stopped\n';
    expect([code, err]).toEqual([1, unread]);
    expect(out).toMatch(/^workload fill, seed 1: panic after \d+\.\d{3} s of virtual time\n {2}fill: running, [1-9]/m);
    expect(out).toMatch(/^ +min \d+ \|[-* .]+$/m);
    const data = await boot('--json', ...options);
    const { panic, workload, files } = JSON.parse(data.out);
    expect([data.code, data.err]).toEqual([1, `${unread}Kernel panic - not syncing: ${panic}\n`]);
    expect(panic).toBe('Out of memory: system-wide panic_on_oom is enabled');
    expect(workload).toMatchObject({ ended: 'panic', problems: [], tasks: [{ name: 'fill', state: 'running' }] });
    expect(files).toEqual({});
  });

  it('has a task whose memory cannot be mapped give up', async () => {
    const { code, out } = await boot('-m', '128M', '--sysctl', 'vm.overcommit_memory=2', '--workload', 'fill');
    expect(code).toBe(0);
    expect(out).toMatch(/^ {2}fill: gave up: its memory could not be mapped, 0 pages written, /m);
  });

  it('comes after requests that are explained, and before files', async () => {
    const asked = ['--explain', 'GFP_KERNEL', '--cat', 'swaps'];
    const { out } = await boot('-m', '128M', ...asked, '--workload', 'fill');
    const heads = out.match(/^(order 0|workload fill|Filename)/gm);
    expect(heads).toEqual(['order 0', 'workload fill', 'Filename']);
  });
});
