// The written-out paths against the general ones: the same history on two machines that are alike, one of which has a bit
// of k.page_alloc.static_keys set that no one looks at alone, so that all goes the general way. All of their RAM must be
// equal, byte for byte: struct pages, zones, per-cpu areas, and what was zeroed.
//
// PGDAT_SOAK=1 runs more of it.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ArrayBacking } from '../../../emu/memory.ts';
import { anyTopology, bootTopology, memoryOf, type Topology } from '../../support/allocator_machine.ts';
import { anyStep, type Block, History, type Step } from '../../support/allocator_steps.ts';
import { GiB } from '../../support/hw.ts';

const NO_FEATURE = 1 << 30;
const soak = process.env['PGDAT_SOAK'] !== undefined;

/** Where RAM differs first; '': nowhere. */
function firstDifference(a: History, b: History, topology: Topology): string {
  for (const { start, end } of memoryOf(topology)) {
    for (let pfn = start; pfn < end; ) {
      const chunk = pfn >>> 18;
      const stop = Math.min(end, (chunk + 1) << 18);
      const bytes = ({ k }: History): Buffer => {
        const { buffer, byteOffset } = k.hw.ram.words(chunk);
        return Buffer.from(buffer, byteOffset + (pfn & 0x3ffff) * 4096, (stop - pfn) * 4096);
      };
      const [one, other] = [bytes(a), bytes(b)];
      if (one.compare(other) !== 0) {
        const at = one.findIndex((byte, i) => byte !== other[i]);
        return `physical address 0x${(pfn * 4096 + at).toString(16)}`;
      }
      pfn = stop;
    }
  }
  return '';
}

/** Owners write to their pages, so that what is not zeroed shows. */
const scribble = (k: () => History): { took: (block: Block) => void; gave: () => void } => ({
  took: ({ pfn }) => k().k.hw.ram.set_u32(pfn * 4096 + 8, pfn),
  gave: () => {},
});

/** @param bufferSize of the RAM of the machine that takes the written-out paths */
function run(topology: Topology, steps: readonly Step[], every: number, bufferSize: number): void {
  const histories = [0, NO_FEATURE].map((keys) => {
    const k = bootTopology(
      topology,
      new ArrayBacking(memoryOf(topology).at(-1)!.end * 4096, keys === 0 ? bufferSize : 8 * GiB),
    );
    k.page_alloc.static_keys = keys;
    const history: History = new History(
      k,
      topology.cpus.length,
      scribble(() => history),
    );
    return history;
  });
  const [fast, general] = histories as [History, History];
  for (const [n, step] of steps.entries()) {
    expect([n, fast.step(step)]).toEqual([n, general.step(step)]);
    if (n % every === every - 1) expect([n, firstDifference(fast, general, topology)]).toEqual([n, '']);
  }
  for (const history of histories) history.freeAll();
  expect(firstDifference(fast, general, topology)).toBe('');
  const counters = ({ k }: History) => [k.vm_event.counts, k.mm.vm_zone_stat, k.log.records.map(({ text }) => text)];
  expect(counters(fast)).toEqual(counters(general));
}

test.each([
  ['one buffer', 8 * GiB],
  ['several buffers', GiB],
])(
  'RAM in %s: the written-out paths leave the same bytes there as the general ones',
  (_buffers, bufferSize) => {
    const steps = fc.array(anyStep, { minLength: 1, maxLength: soak ? 2000 : 300, size: 'max' });
    fc.assert(
      fc.property(anyTopology(6000), steps, (topology, history) => run(topology, history, 100, bufferSize)),
      { numRuns: soak ? 60 : 10, interruptAfterTimeLimit: soak ? 120_000 : 10_000 },
    );
  },
  600_000,
);
