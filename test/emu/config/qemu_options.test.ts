import { describe, expect, test } from 'vitest';
import { parseQemuOptions, splitOptions } from '../../../emu/config/qemu_options.ts';
import { lowRam } from '../../../emu/config/ram_layout.ts';

const parse = (text: string) => parseQemuOptions(splitOptions(text));

function config(text: string) {
  const parsed = parse(text);
  if ('errors' in parsed) throw new Error(parsed.errors.join('\n'));
  return parsed.config;
}

test('several problems are all named, each once', () => {
  const parsed = parse(
    '-frob -m 4X -smp 4,maxcpus=2 -M q35,hmat=maybe -object memory-backend-ram,id=m0,size=1G,colour=red ' +
      '-numa node,memdev=m0,cpus=7 -numa node,memdev=m9 -numa dist,src=0,dst=1,val=9 -numa dist,src=0,dst=5,val=20',
  );
  expect('errors' in parsed && parsed.errors.map((line) => line.split('\n')[0])).toEqual([
    '-frob: invalid option',
    "Parameter 'hmat' expects 'on' or 'off'",
    expect.stringMatching(/^Invalid CPU topology: maxcpus must be equal to or greater than smp: /),
    "-object memory-backend-ram,id=m0,size=1G,colour=red: Invalid parameter 'colour'",
    "-m 4X: Parameter 'size' expects a non-negative number below 2^64",
    '-numa node,memdev=m0,cpus=7: CPU index (7) should be smaller than maxcpus (4)',
    '-numa node,memdev=m9: memdev=m9 is ambiguous',
    "-numa dist,src=0,dst=1,val=9: NUMA distance (9) is invalid, it shouldn't be less than 10.",
    expect.stringMatching(/^-numa dist,src=0,dst=5,val=20: Source\/Destination NUMA node is missing\./),
  ]);
});

test('a refused size is not refused a second time as a wrong sum', () => {
  const parsed = parse('-m 2G -object memory-backend-ram,id=m0,size=x -numa node,memdev=m0');
  expect(parsed).toEqual({
    errors: ["-object memory-backend-ram,id=m0,size=x: Parameter 'size' expects a size value"],
  });
});

test('an option without its argument', () => {
  expect(parseQemuOptions(['-m'])).toEqual({ errors: ['-m: requires an argument'] });
});

test('without options: pc, 4 GiB, two CPUs, two nodes of 2 GiB', () => {
  const { type, cpus, nodes, distances, layout } = config('');
  expect({ type, nodes, distances }).toEqual({
    type: 'pc',
    nodes: [
      { memory: 2 ** 31, initiator: null },
      { memory: 2 ** 31, initiator: null },
    ],
    distances: null,
  });
  expect(cpus).toEqual([
    { apicId: 0, present: true, node: 0 },
    { apicId: 1, present: true, node: 1 },
  ]);
  expect(layout.ram).toEqual([
    { start: 0, end: 0xc0000000 },
    { start: 0x100000000, end: 0x140000000 },
  ]);
});

test("with any option, what is missing has QEMU's defaults", () => {
  const { cpus, nodes, layout } = config('-M q35');
  expect([cpus.length, nodes.length, layout.below4g]).toEqual([1, 0, 128 * 2 ** 20]);
});

// APIC IDs have whole bits for sockets, dies, cores and threads: where a count is no power of two, IDs are left out.
test.each<[string, number[]]>([
  ['-smp 4', [0, 1, 2, 3]],
  ['-smp 6,sockets=2,cores=3', [0, 1, 2, 4, 5, 6]],
  ['-smp 4,sockets=2,cores=1,threads=2', [0, 1, 2, 3]],
  ['-smp 6,cores=3,threads=2', [0, 1, 2, 3, 4, 5]],
  ['-smp 8,sockets=2,dies=2,cores=2', [0, 1, 2, 3, 4, 5, 6, 7]],
  ['-smp 12,sockets=2,dies=3,cores=2', [0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13]],
])('APIC IDs of %s', (options, ids) => {
  expect(config(options).cpus.map(({ apicId }) => apicId)).toEqual(ids);
});

test.each<[string, (number | null)[]]>([
  ['-smp 2', [null, null]],
  // Nobody is on a node by name: sockets go round.
  ['-m 128M -smp 4,sockets=2 -object memory-backend-ram,id=m,size=128M -numa node,memdev=m -numa node', [0, 0, 1, 1]],
  [
    '-m 128M -smp 4 -object memory-backend-ram,id=m,size=128M -numa node,memdev=m,cpus=1 -numa node,cpus=3',
    [0, 0, 0, 1],
  ],
  [
    '-m 128M -smp 4,sockets=2 -object memory-backend-ram,id=m,size=128M -numa node,memdev=m -numa node -numa cpu,node-id=1,socket-id=0 -numa cpu,node-id=0,socket-id=1',
    [1, 1, 0, 0],
  ],
  ['-m 128M,slots=1,maxmem=1G -smp 2', [0, 0]],
])('nodes of the CPUs of %s', (options, nodes) => {
  expect(config(options).cpus.map(({ node }) => node)).toEqual(nodes);
});

describe('RAM below 4 GiB', () => {
  test.each<[type: 'pc' | 'q35', size: number, max: number | null, low: number]>([
    ['pc', 0xdfffe000, null, 0xdfffe000],
    ['pc', 0xe0000000, null, 0xc0000000],
    ['pc', 0x100000000, 0x40000000, 0x40000000],
    ['pc', 0x20000000, 0x40000000, 0x20000000],
    ['pc', 0x100000000, 0x100000000, 0xc0000000],
    ['q35', 0xaffff000, null, 0xaffff000],
    ['q35', 0xb0000000, null, 0x80000000],
    ['q35', 0x90000000, 0x40000000, 0x40000000],
  ])('%s with 0x%x bytes', (type, size, max, low) => {
    expect(lowRam(type, size, max)).toBe(low);
  });

  // low RAM ... | PCI hole | 0xfec00000 I/O APIC ... ROM | 4 GiB
  test.each([
    ['-M pc,max-ram-below-4g=4G -m 4075M', null],
    ['-M pc,max-ram-below-4g=4G -m 4076M', '0xfec00000'],
    ['-M pc,max-ram-below-4g=4G -m 4095M', '0xfff00000'],
    ['-M pc,max-ram-below-4g=4095M -m 4090M', '0xffa00000'],
    // As much as the limit or more makes the default split.
    ['-M pc,max-ram-below-4g=4095M -m 4095M', null],
    ['-M pc,max-ram-below-4g=4G -m 4G', null],
    ['-M pc,max-ram-below-4g=4G -m 8G', null],
    ['-M q35,max-ram-below-4g=4G -m 4095M', null],
  ])('%s: no RAM where I/O APIC and ROM are', (options, end) => {
    const parsed = parseQemuOptions(splitOptions(options));
    const errors = 'errors' in parsed ? parsed.errors : [];
    expect(errors).toEqual(
      end === null
        ? []
        : [expect.stringMatching(`max-ram-below-4g=.* puts RAM up to ${end}, it must end below 0xfec00000`)],
    );
  });
});

test.each([
  ['-m 1G', false, false],
  ['-cpu max', true, true],
  ['-cpu Icelake-Server-v4', true, true],
  ['-cpu Skylake-Server', true, false],
  ['-cpu qemu64,+pdpe1gb', true, false],
  ['-cpu max,la57=off,pdpe1gb=off', false, false],
  ['-cpu max,-la57,+la57', true, true],
])('%s: pages of 1 GiB %s, page tables of five levels %s', (options, gbpages, la57) => {
  expect(config(options)).toMatchObject({ gbpages, la57 });
});
