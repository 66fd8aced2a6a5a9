import { expect, test } from 'vitest';
import { debian, recorder } from '../../../kernel/config.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { node_set } from '../../../kernel/lib/nodemask.ts';
import {
  __alloc_percpu,
  numa_node_id,
  pcpu_build_alloc_info,
  per_cpu_ptr,
  setup_per_cpu_areas,
} from '../../../kernel/mm/percpu.ts';
import { MiB } from '../../support/hw.ts';
import { drawnMemory, printed } from '../../support/zoned.ts';

const K = 1024;
const M = 1024 * K;

/** `nodes[cpu]` is the CPU's node. */
const cut = (static_size: number, nodes: readonly number[]) =>
  pcpu_build_alloc_info(static_size, 8 * K, 28 * K, 2 * M, nodes.keys(), (cpu) => nodes[cpu]!);

test.each([
  // 62 pages a CPU, as Debian's kernel: 8 units would fit 2 MiB, but would waste more than a third of the CPUs
  { name: 'one CPU has 2 MiB for itself', nodes: [0], unit_size: 2 * M, units: [1] },
  { name: 'two CPUs of one node share 2 MiB', nodes: [0, 0], unit_size: M, units: [2] },
  { name: 'two CPUs of two nodes do not', nodes: [0, 1], unit_size: 2 * M, units: [1, 1] },
  { name: 'three CPUs waste one unit of four', nodes: [0, 0, 0], unit_size: 512 * K, units: [4] },
  { name: 'eight CPUs fill 2 MiB', nodes: [0, 0, 0, 0, 0, 0, 0, 0], unit_size: 256 * K, units: [8] },
  { name: 'nodes with two CPUs each', nodes: [0, 1, 0, 1], unit_size: M, units: [2, 2] },
])('$name', ({ nodes, unit_size, units }) => {
  const ai = cut(212 * K, nodes);
  expect(ai).toMatchObject({ static_size: 212 * K, reserved_size: 8 * K, dyn_size: 28 * K, unit_size });
  expect(ai.groups.map(({ nr_units }) => nr_units)).toEqual(units);
});

function machine(config = debian, nodes: readonly number[] = [0, 1]): Kernel {
  const k = drawnMemory({ memory: '01', unit: 64 * MiB, config });
  k.cpus.nr_cpu_ids = nodes.length;
  k.nr_node_ids = 2;
  for (const [cpu, node] of nodes.entries()) {
    node_set(cpu, k.cpus.cpu_possible_mask);
    k.cpus.x86_cpu_to_node_map[cpu] = node;
  }
  return k;
}

test('the log is what Debian prints with two nodes and two CPUs', () => {
  const k = machine();
  setup_per_cpu_areas(k);
  expect(printed(k).slice(-2)).toEqual([
    'setup_percpu: NR_CPUS:8192 nr_cpumask_bits:2 nr_cpu_ids:2 nr_node_ids:2',
    'percpu: Embedded 62 pages/cpu s217088 r8192 d28672 u2097152',
  ]);
});

test('cpumasks of a kernel for few CPUs have room for all of them', () => {
  const k = machine(recorder);
  setup_per_cpu_areas(k);
  expect(printed(k).at(-2)).toBe('setup_percpu: NR_CPUS:64 nr_cpumask_bits:64 nr_cpu_ids:2 nr_node_ids:2');
});

test("a CPU's area is on its node, and what it does not need is given back", () => {
  //  0         64 MiB    128 MiB
  //  | node 0    | node 1  |
  const k = machine();
  const before = k.memblock.reserved.total_size;
  setup_per_cpu_areas(k);
  expect(k.percpu.base.map((base) => Math.floor(base / (64 * MiB)))).toEqual([0, 1]);
  expect(k.memblock.reserved.total_size - before).toBe(2 * 62 * 4096);
});

test('each CPU finds its number, its node and its own address in its area', () => {
  const k = machine(debian, [1, 0]);
  setup_per_cpu_areas(k);
  const { ram } = k.hw;
  for (const cpu of [0, 1]) {
    const base = k.percpu.base[cpu]!;
    expect(ram.big64(base + 48)).toBe(0xffff888000000000n + BigInt(base));
    expect([ram.u32(base + 56), ram.u32(base + 60)]).toEqual([cpu, 1 - cpu]);
  }
  expect(numa_node_id(k)).toBe(1);
});

test("before there are areas every CPU has the image's own", () => {
  const k = machine();
  expect(per_cpu_ptr(k, 64, 0)).toBe(per_cpu_ptr(k, 64, 1));
  const { text, end } = k.config.image;
  expect(per_cpu_ptr(k, 64, 0)).toBeGreaterThan(text);
  expect(per_cpu_ptr(k, 64, 0)).toBeLessThan(end);
});

test('per-cpu memory is aligned, zeroed on every CPU, and ends', () => {
  const k = machine();
  setup_per_cpu_areas(k);
  const first = __alloc_percpu(k, 44, 1);
  for (const cpu of [0, 1]) k.hw.ram.fill(per_cpu_ptr(k, first + 64, cpu), 256, 0xff);
  const second = __alloc_percpu(k, 256, 64);
  expect(first).toBe(217088 + 8192);
  expect(second).toBe(first + 64);
  for (const cpu of [0, 1]) expect(k.hw.ram.read(per_cpu_ptr(k, second, cpu), 256).every((b) => b === 0)).toBe(true);
  expect(__alloc_percpu(k, 28672, 64)).toBe(0);
});

test('no memory for the areas: Linux panics', () => {
  const k = machine();
  k.memblock.current_limit = 0x2000;
  expect(() => setup_per_cpu_areas(k)).toThrow('cannot initialize percpu area (err=-12)');
});
