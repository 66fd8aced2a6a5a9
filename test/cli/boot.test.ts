// `pgdat boot` as a user sees it: log, lists and zones; data; refusals; panics.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { boot } from '../support/boot_command.ts';

describe('text', () => {
  it('is the log, then /proc/buddyinfo, then the zones', async () => {
    const { code, out, err } = await boot('-machine', 'pc', '-m', '256M', '--config', 'recorder');
    expect([code, err]).toEqual([0, '']);
    const lines = out.trimEnd().split('\n');
    const buddyinfo = lines.indexOf('/proc/buddyinfo');
    expect(lines[0]).toMatch(/^\[ {4}0\.000000\] Linux version 6\.1\./);
    expect(lines.slice(0, buddyinfo - 1).every((line) => line.startsWith('['))).toBe(true);
    expect(lines.slice(buddyinfo).map((line) => line.replace(/ [\s\d(,)]+$/, ''))).toEqual([
      '/proc/buddyinfo',
      'Node 0, zone      DMA',
      'Node 0, zone    DMA32',
      '',
      expect.stringMatching(
        /^zones, in pages +start_pfn +spanned +present +managed +cma +free +min +low +high +protection/,
      ),
      'Node 0, zone      DMA',
      'Node 0, zone    DMA32',
    ]);
    expect(out).not.toContain('\r');
    // Linux ends each of these lines with a blank, the last one too.
    for (const line of lines.slice(buddyinfo + 1, buddyinfo + 3)) expect(line).toMatch(/^Node 0, zone .*\d $/);
  });

  it('can say what each stage took, on standard error', async () => {
    const { out, err } = await boot('-m', '256M', '--times');
    expect(err).toMatch(/^ +[\d.]+ ms {2}setup_arch$/m);
    expect(err).toMatch(/^ +[\d.]+ MiB resident at most$/m);
    expect(out).not.toContain('setup_arch');
  });
});

describe('--json', () => {
  it('is the result as data, the same every time', async () => {
    const first = await boot('--json', '-m', '256M', '--config', 'recorder', '-append', 'numa=off');
    expect(first).toMatchObject({ code: 0, err: '' });
    expect((await boot('--json', '-m', '256M', '--config', 'recorder', '-append', 'numa=off')).out).toBe(first.out);
    const result = JSON.parse(first.out);
    expect(result).toMatchObject({ panic: null, config: 'recorder', cmdline: 'numa=off' });
    expect(result.zones.map((zone: { zone: string }) => zone.zone)).toEqual(['DMA', 'DMA32', 'Normal', 'Movable']);
    for (const zone of result.zones) {
      const pages = zone.free_blocks.reduce((sum: number, count: number, order: number) => sum + count * 2 ** order, 0);
      expect(pages).toBe(zone.free);
      expect(zone.free).toBeLessThanOrEqual(zone.managed);
    }
    expect(result.zonelists).toContain('general 0:DMA32 = 0:DMA32 0:DMA');
    expect(result.nodes).toEqual([
      { node: 0, start_pfn: 1, spanned: 65503, present: 65406, cpus: [0], distances: [10] },
    ]);
    expect(result.e820[0]).toEqual({ start: '0x0', end: '0xfff', type: 'reserved' });
    expect(result.e820[1]).toEqual({ start: '0x1000', end: '0x9fbff', type: 'usable' });
    expect(result.log).toContain('NUMA turned off');
  });

  it('knows nodes, their CPUs and distances, and has null where there is none', async () => {
    const { out } = await boot('--json');
    const { cpus, nodes, memblock, zones } = JSON.parse(out);
    expect(cpus).toEqual([
      { cpu: 0, apic: 0, node: 0, online: true },
      { cpu: 1, apic: 1, node: 1, online: true },
    ]);
    expect(nodes.map(({ cpus, distances }: { cpus: number[]; distances: number[] }) => [cpus, distances])).toEqual([
      [[0], [10, 20]],
      [[1], [20, 10]],
    ]);
    const nids = [...memblock.memory, ...memblock.reserved].map(({ nid }: { nid: number | null }) => nid);
    expect(new Set(nids)).toEqual(new Set([0, 1, null]));
    for (const { free_lists, free_blocks } of zones) {
      const lists: number[][] = Object.values(free_lists);
      const sums = free_blocks.map((_: number, order: number) => lists.reduce((sum, list) => sum + list[order]!, 0));
      expect(sums).toEqual(free_blocks);
    }
    expect(Object.keys(zones[0].free_lists).slice(0, 2)).toEqual(['Unmovable', 'Movable']);
  });

  it('has the fields that docs/json.md describes, and no others', async () => {
    const page = readFileSync(new URL('../../docs/json.md', import.meta.url), 'utf8');
    const heads = page
      .slice(0, page.indexOf('## Steps'))
      .split('\n')
      .filter((line) => line.startsWith('| `'));
    const described = heads.flatMap((line) => [...line.split('|')[1]!.matchAll(/`(\w+)`/g)].map(([, name]) => name));
    const { out } = await boot(
      ...['--json', '-m', '128M', '--swap', '64M', '--times', '--cat', '/proc/buddyinfo'],
      ...['--explain', 'GFP_KERNEL', '--workload', 'hog', '--at', '0s'],
    );
    expect(Object.keys(JSON.parse(out)).sort()).toEqual(described.sort());
  });

  it('has steps as docs/json.md describes them', () => {
    const page = readFileSync(new URL('../../docs/json.md', import.meta.url), 'utf8');
    const rows = [...page.slice(page.indexOf('## Steps')).matchAll(/^\| `(\w+)` \| (.*) \|$/gm)];
    const text = readFileSync(new URL('../../kernel/trace/explain_step.ts', import.meta.url), 'utf8');
    const steps = text.slice(text.indexOf('export type Step'));
    const codes = [...steps.matchAll(/code: '(\w+)'/g)].map(([, code]) => code!);
    expect(codes.length).toBeGreaterThan(25);
    expect(rows.map(([, code]) => code).sort()).toEqual(codes.sort());
    const fields = [...text.matchAll(/readonly (\w+):/g)].map(([, name]) => name!);
    for (const name of fields) expect([name, page.includes(`\`${name}\``)]).toEqual([name, true]);
  });

  it('has the panic, and the log up to it', async () => {
    const { code, out, err } = await boot('--json', '-append', 'memmap=exactmap');
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ panic: 'Invalid user supplied memory map' });
    const late = JSON.parse((await boot('--json', '-m', '128M', '-append', 'mem=6M')).out);
    expect(late.panic).not.toBeNull();
    expect(late.e820[1]).toEqual({ start: '0x1000', end: '0x9fbff', type: 'usable' });
    expect(late.memblock.memory[0]).toMatchObject({ base: '0x1000', size: '0x9e000' });
    expect(late).not.toHaveProperty('zones');
    expect(err).toBe('Kernel panic - not syncing: Invalid user supplied memory map\n');
  });
});

describe('--explain', () => {
  it('tells the request, and leaves its events in the trace', async () => {
    const { code, out, err } = await boot(
      ...['-m', '256M', '--explain', 'GFP_KERNEL|__GFP_COMP,order=2', '-append', 'trace_event=mm_page_alloc'],
      ...['--cat', '/sys/kernel/tracing/trace'],
    );
    expect([code, err]).toEqual([0, '']);
    const pfn = /^page frames 0x([0-9a-f]+) to/m.exec(out)![1];
    expect(out).toMatch(
      /\norder 2 \(4 pages\), 0x40cc0 \(GFP_KERNEL\|__GFP_COMP\), near node 0\n {2}gfp_zone: up to Normal/,
    );
    expect(out).toContain(`pfn=0x${pfn} order=2 migratetype=0 gfp_flags=GFP_KERNEL|__GFP_COMP\n`);
  });

  it('a request that the kernel does not survive is told as far as it went, and no other follows', async () => {
    const { code, out, err } = await boot(
      ...['--json', '-m', '256M', '--explain', '~0,order=10', '--explain', 'GFP_ATOMIC', '--cat', '/proc/vmstat'],
    );
    const { panic, explained, zones } = JSON.parse(out);
    const unread = 'pgdat: warning: --cat: no file can be read at the end, as the kernel has stopped';
    expect([code, err]).toEqual([1, `${unread}\nKernel panic - not syncing: ${panic}\n`]);
    expect(panic).toBe('System is deadlocked on memory');
    expect(explained.map(({ request }: { request: string }) => request)).toEqual(['~0,order=10']);
    expect(explained[0].steps.length).toBeGreaterThan(5);
    expect(zones.length).toBeGreaterThan(1);
  });

  it('gives steps as data', async () => {
    const { out } = await boot('--json', '-m', '256M', '--explain', 'GFP_ATOMIC', '--explain', '0,order=10,node=0');
    const { explained } = JSON.parse(out);
    expect(explained.map(({ request }: { request: string }) => request)).toEqual(['GFP_ATOMIC', '0,order=10,node=0']);
    expect(explained[1].steps[0]).toEqual({
      ...{ code: 'request', gfp: '0', order: 10, nid: 0, highest_zoneidx: 'Normal', migratetype: 'Unmovable' },
      zones: [
        { nid: 0, zone: 'DMA32' },
        { nid: 0, zone: 'DMA' },
      ],
    });
    const steps = new Map(explained[1].steps.map((step: { code: string }) => [step.code, step]));
    expect(steps.get('walk')).toEqual({ code: 'walk', alloc_flags: 'ALLOC_WMARK_LOW' });
    expect(steps.get('watermark')).toMatchObject({ zone: 'DMA32', level: 'low', largest: 10 });
    expect(steps.get('fallback_order')).toMatchObject({ migratetype: 'Movable' });
    expect(steps.get('steal')).toMatchObject({ before: ['Movable', 'Movable'], after: ['Unmovable', 'Unmovable'] });
    expect(explained[1].steps.at(-1)).toMatchObject({ code: 'result', order: 10 });
  });

  it('is over with a panic, and tells the requests up to it', async () => {
    const asked = ['GFP_KERNEL', 'GFP_KERNEL|__GFP_NOFAIL,order=10', 'GFP_ATOMIC'];
    const options = [
      '-m',
      '256M',
      '--sysctl',
      'vm.min_free_kbytes=8000000',
      ...asked.flatMap((one) => ['--explain', one]),
    ];
    const { code, out, err } = await boot(...options);
    expect([code, err]).toEqual([1, '']);
    expect(out).toMatch(/\nno page\n\norder 10 (.*\n)*the kernel stops: System is deadlocked on memory\n$/);
    const data = await boot('--json', ...options);
    expect([data.code, data.err]).toEqual([1, 'Kernel panic - not syncing: System is deadlocked on memory\n']);
    const { panic, explained, log } = JSON.parse(data.out);
    expect(panic).toBe('System is deadlocked on memory');
    expect(log.at(-1)).toContain('end Kernel panic');
    expect(explained.map(({ request }: { request: string }) => request)).toEqual(asked.slice(0, 2));
    expect(explained[0].steps.at(-1)).toEqual({ code: 'result', order: 0, pfn: null });
    expect(explained[1].steps.at(-1)).toEqual({ code: 'stopped', message: panic });
  });

  it("says why CMA's pages go first, and when they no longer do", async () => {
    const { out } = await boot(
      ...['-m', '256M', '--config', 'recorder', '-append', 'cma=150M'],
      ...Array.from({ length: 24 }, () => ['--explain', 'GFP_HIGHUSER_MOVABLE,order=10']).flat(),
    );
    const told = [...out.matchAll(/: (\d+) of (\d+) free pages are CMA's, (\w+).*\n {6}(\w+) lists/g)];
    expect(new Set(told.map(([, , , half, from]) => `${half} ${from}`))).toEqual(new Set(['more CMA', 'no Movable']));
    for (const [, cma, free, half] of told) expect(half === 'more').toBe(Number(cma) > Number(free) >> 1);
  });

  it.each([
    [
      'GFP_ATOMC',
      "--explain GFP_ATOMC: 'GFP_ATOMC' is no expression of allocation flags (did you mean GFP_ATOMIC?), as in GFP_ATOMIC,order=3,node=0",
    ],
    ['GFP_ATOMIC,order=-1', "--explain GFP_ATOMIC,order=-1: order is a number from 0 on, found '-1', as in "],
    ['GFP_ATOMIC, order=3,order = 4', '--explain GFP_ATOMIC, order=3,order = 4: order= is there twice, as in '],
    ['GFP_ATOMIC,3', "--explain GFP_ATOMIC,3: '3' is neither order=N nor node=N, as in GFP_ATOMIC,order=3,node=0"],
  ])('%s is refused', async (request, wanted) => {
    const { code, err } = await boot('-m', '256M', '--explain', request);
    expect(code).toBe(2);
    expect(err).toContain(wanted);
  });

  it('nodes that are not there are said, before any request and workload', async () => {
    const wrong = ['GFP_KERNEL,node=7', 'GFP_KERNEL', 'GFP_DMA,node=1'].flatMap((request) => ['--explain', request]);
    const { code, out, err } = await boot('-m', '128M', ...wrong, '--workload', 'fill', '--at', '1ms');
    expect([code, out]).toEqual([2, '']);
    expect(err.trimEnd().split('\n')).toEqual([
      'pgdat boot: --explain GFP_KERNEL,node=7: there is no node 7, the nodes are 0',
      'pgdat boot: --explain GFP_DMA,node=1: there is no node 1, the nodes are 0',
    ]);
    const alone = await boot('-m', '128M', ...wrong);
    expect([alone.code, alone.err]).toEqual([2, err]);
    expect(alone.out).not.toMatch(/^order 0/m);
  });
});

describe('--sysctl and --cat', () => {
  it('files in the order asked for, each under its name, instead of lists and zones', async () => {
    const { code, out, err } = await boot(
      ...['-m', '256M', '--sysctl', 'vm.min_free_kbytes=8192', '--sysctl=vm/watermark_scale_factor=20'],
      ...['--cat', '/proc/sys/vm/watermark_scale_factor', '--cat=sys/vm/min_free_kbytes', '-append', 'numa=off'],
      ...['--cat', 'cmdline'],
    );
    expect([code, err]).toEqual([0, '']);
    expect(out.slice(out.indexOf('\n\n==>'))).toBe(
      '\n\n==> /proc/sys/vm/watermark_scale_factor <==\n20\n\n==> /proc/sys/vm/min_free_kbytes <==\n8192\n' +
        '\n==> /proc/cmdline <==\nnuma=off\n',
    );
    expect(out).not.toContain('zones, in pages');
  });

  it('one file is that file and nothing else; without a / it is one of /proc', async () => {
    const { code, out, err } = await boot('-m', '256M', '-append', 'numa=off', '--cat', 'cmdline');
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/\]? .*\n\nnuma=off\n$/);
  });

  it('writes come before reads, and change the zones', async () => {
    const { out } = await boot('-m', '256M', '--cat', '/proc/zoneinfo', '--sysctl', 'vm.min_free_kbytes=40000');
    const min = [...out.matchAll(/^ {8}min +(\d+)$/gm)].reduce((sum, found) => sum + Number(found[1]), 0);
    expect(min).toBeLessThanOrEqual(10000);
    expect(min).toBeGreaterThan(9995);
  });

  it('in --json by path; a process that is not there is said, and the rest still read', async () => {
    const { code, out, err } = await boot(
      ...['-m', '256M', '--json', '--cat', '/proc/12345/oom_score', '--cat', '/proc/cmdline'],
    );
    expect([code, err]).toEqual([1, 'pgdat boot: --cat /proc/12345/oom_score: No such file or directory\n']);
    expect(JSON.parse(out).files).toEqual({ '/proc/cmdline': '\n' });
  });

  it('names files that there are not, or that only take writes, all at once, before the machine boots, with those that may have been meant', async () => {
    const cats = [
      ['vmstst', 'No such file or directory, did you mean vmstat?'],
      ['/proc/sys/vm/swapiness', 'No such file or directory, did you mean sys/vm/swappiness?'],
      ['sys/vm/laptop_mode', 'Linux has it, pgdat does not'],
      ['/sys/kernel/tracing/trac', 'No such file or directory, did you mean /sys/kernel/tracing/trace?'],
      ['/sys/kernel/tracing/events/kmem/frob/format', 'No such file or directory'],
      ['/sys/kernel/debug/page_owner', '--config debian,PAGE_OWNER=y is needed'],
      ['/sys/fs/cgroup/we/memory.max', 'there is no --cgroup we'],
      ['/sys/fs/cgroup/memory.max', 'No such file or directory, did you mean /sys/fs/cgroup/web/memory.max?'],
      ['/sys/fs/cgroup/web/memory.stats', 'No such file or directory, did you mean /sys/fs/cgroup/web/memory.stat?'],
      ['/etc/passwd', 'No such file or directory'],
      ['sys/vm/compact_memory', 'Permission denied'],
      ['/proc/sys/vm/drop_caches', 'Permission denied'],
      ['/sys/fs/cgroup/web/memory.reclaim', 'Invalid argument'],
      ['/sys/fs/cgroup/memory.reclaim', 'Invalid argument'],
    ] as const;
    const { code, out, err } = await boot(
      ...['--cgroup', 'web', '--cat', '/sys/fs/cgroup/web/memory.max', '--cat', '/sys/fs/cgroup/memory.stat'],
      ...cats.flatMap(([path]) => ['--cat', path]),
    );
    expect([code, out]).toEqual([2, '']);
    expect(err.trimEnd().split('\n')).toEqual(cats.map(([path, problem]) => `pgdat boot: --cat ${path}: ${problem}`));
  });

  it('names nodes that there are not once the machine has booted, before workloads', async () => {
    const node = (path: string) => ['--cat', `/sys/devices/system/node/${path}`];
    const { code, err } = await boot('-m', '128M', '--workload', 'fill', ...node('node1/vmstat'));
    expect([code, err]).toEqual([
      2,
      'pgdat boot: --cat /sys/devices/system/node/node1/vmstat: there is no node 1, the nodes are 0\n',
    ]);
    const wrong = await boot(...node('node0/meminf'), ...node('node0/vmstat'), '--config', 'debian,NUMA=n');
    expect([wrong.code, wrong.out]).toEqual([2, '']);
    expect(wrong.err).toMatch(
      /, did you mean \/sys\/devices\/system\/node\/node0\/meminfo\?\n.*: --config debian,NUMA=y is needed\n$/,
    );
    const shown = await boot('-m', '128M', ...node('node0/numastat'));
    expect(shown.out).toMatch(/\n\nnuma_hit \d+\n(\w+ \d+\n){5}$/);
  });

  it('knows the groups that a workload makes', async () => {
    const { code, out } = await boot(
      ...['-m', '128M', '--cgroup', 'web', '--workload', 'groups@web'],
      ...['--cat', '/sys/fs/cgroup/web/cache/memory.current'],
    );
    expect(code).toBe(0);
    expect(out).toMatch(/\n\d+\n$/);
  });

  it.each([
    ['vm.min_free_kbytes', 'NAME=VALUE is needed, as in vm.min_free_kbytes=20000'],
    ['vm.watermark_scale_factor=3001', 'a whole number from 1 to 3000 is needed'],
    ['vm.min_free_kbytes=-1', 'a whole number from 0 is needed'],
    ['vm.min_free_kbytes=2147483648', 'a whole number from 0 is needed'],
    ['vm/min_free_kbytes=20M', 'a whole number from 0 is needed'],
    ['vm.min_free_kbytes=', 'a whole number from 0 is needed'],
    ['vm.min_free_kbyte=1', 'no such sysctl, did you mean vm.min_free_kbytes?'],
    ['frob=1', expect.stringMatching(/^no such sysctl, there are vm\.lowmem_reserve_ratio, vm\.min_free_kbytes, /)],
    ['vm.laptop_mode=1', expect.stringMatching(/^Linux has it, pgdat does not; there are vm\.lowmem_reserve_ratio, /)],
    ['kernel.panic=1', expect.stringMatching(/^Linux has it, pgdat does not; there are /)],
  ])('--sysctl %s is refused before the machine boots', async (setting, what) => {
    const { code, out, err } = await boot('-m', '256M', '--sysctl', setting);
    expect([code, out]).toEqual([2, '']);
    const head = `pgdat boot: --sysctl ${setting}: `;
    expect(err.startsWith(head)).toBe(true);
    expect(err.slice(head.length, -1)).toEqual(what);
  });

  it('all settings that cannot be are told at once', async () => {
    const { err } = await boot(
      '--sysctl',
      'vm.numa_stat=2',
      '--sysctl',
      'vm.dirty_ratio=101',
      '--sysctl',
      'vm.numa_stat=1',
    );
    expect(err.split('\n').slice(0, -1)).toEqual([
      'pgdat boot: --sysctl vm.numa_stat=2: a whole number from 0 to 1 is needed',
      'pgdat boot: --sysctl vm.dirty_ratio=101: a whole number from 0 to 100 is needed',
    ]);
  });

  it("values as Linux reads them: any base, what follows a blank is not looked at, and a vector's may be bad", async () => {
    const { code, out, err } = await boot(
      ...['-m', '256M', '--sysctl', 'vm.watermark_scale_factor= 0x10 x', '--sysctl', 'vm.lowmem_reserve_ratio=x'],
      ...['--sysctl', 'vm.stat_refresh=', '--cat', '/proc/sys/vm/watermark_scale_factor'],
    );
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/\n\n16\n$/);
  });

  it.each([
    ['vm.percpu_pagelist_high_fraction=7', 'Invalid argument'],
    ['vm.dirty_bytes=20000000000000', 'Numerical result out of range'],
  ])('%s, which only a kernel that runs refuses, is told after the boot', async (setting, why) => {
    expect(await boot('-m', '256M', '--sysctl', setting)).toMatchObject({
      code: 1,
      err: `pgdat boot: --sysctl ${setting}: ${why}\n`,
    });
  });
});

describe('what cannot be', () => {
  it("a machine that QEMU refuses: all problems, in QEMU's words", async () => {
    const { code, out, err } = await boot('-m', '64X', '-smp', '0', '--frob');
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain("pgdat boot: -m 64X: Parameter 'size' expects");
    expect(err).toContain('--frob: invalid option');
  });

  it.each([
    [['--jsno'], '--jsno: invalid option, did you mean --json?'],
    [['-firmwre', 'none'], '-firmwre: invalid option, did you mean --firmware?'],
    [['-nmua', 'node'], '-nmua: invalid option, did you mean -numa?'],
    [['--frobnicate', 'x'], "--frobnicate: invalid option, see 'pgdat boot --help'"],
    [['-kernel', 'bzImage', '-m', '1G'], '-kernel: not supported here'],
    [['-drive', 'file=a.img,if=virtio'], '-drive: not supported here'],
    [['-bios', 'seabios.bin'], '-bios: not supported here'],
    [['-snapshot'], '-snapshot: not supported here'],
    [['-device', 'e1000,id=n'], "-device e1000,id=n: device 'e1000' is not supported here, only pc-dimm"],
  ])('%j: one line', async (argv, line) => {
    expect(await boot(...argv)).toEqual({ code: 2, out: '', err: `pgdat boot: ${line}\n` });
  });

  it('--help lists the options of QEMU that are taken', async () => {
    const { out } = await boot('--help');
    expect(out).toContain('-machine -m -smp -cpu -object -numa -device');
    expect(out).toContain('-nographic');
  });

  it('options beside a machine file', async () => {
    const { code, err } = await boot('--machine', 'm.json', '-m', '4G');
    expect([code, err]).toEqual([
      2,
      'pgdat boot: --machine m.json describes a whole machine: no QEMU options beside it (-m 4G)\n',
    ]);
  });

  it("QEMU's machine type with a dash too many", async () => {
    expect(await boot('--machine', 'q35')).toMatchObject({
      code: 2,
      err: "pgdat boot: --machine q35: no such file; QEMU's machine type is chosen with one dash: -machine q35\n",
    });
  });

  it("a machine without usable memory ends in Linux's panic, and says nothing after it", async () => {
    const { code, out, err } = await boot('-m', '128M', '-append', 'memmap=exactmap memmap=1M$2M memmap=1M$4M');
    expect([code, err]).toEqual([1, '']);
    const last = out.trimEnd().split('\n').slice(-2);
    expect(last[0]).toMatch(/\] Kernel panic - not syncing: alloc_low_pages/);
    expect(last[1]).toMatch(/\] ---\[ end Kernel panic - not syncing: alloc_low_pages/);
  });

  it('a machine too small for the kernel, which needs RAM for all of its image', async () => {
    for (const size of ['1M', '14M', '64M']) {
      expect(await boot('-m', size)).toEqual({
        code: 2,
        out: '',
        err: `pgdat boot: -m: ${size.slice(0, -1)} MiB of RAM are too few, as the kernel's image reaches up to 69 MiB; give it more, such as -m 128M\n`,
      });
    }
    expect((await boot('-m', '69M')).code).toBe(0);
  });
});
