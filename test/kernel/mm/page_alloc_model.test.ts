// Any history of requests and frees on any machine: after every step each page frame is owned once, and lists, counters,
// struct pages and what owners wrote agree. Once by the written-out paths and once by the general ones.
//
// PGDAT_SOAK=1: a million requests and frees. PGDAT_SEED=N: the histories of that seed, which is printed when one fails.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ArrayBacking, type Backing } from '../../../emu/memory.ts';
import { PAGE_SIZE } from '../../../kernel/include/types.ts';
import { anyTopology, bootTopology, memoryOf, type Topology } from '../../support/allocator_machine.ts';
import { AllocatorModel } from '../../support/allocator_model.ts';
import { anyStep, History, type Step } from '../../support/allocator_steps.ts';
import { GiB } from '../../support/hw.ts';

const NO_FEATURE = 1 << 30;
const soak = process.env['PGDAT_SOAK'] !== undefined;
const seed = process.env['PGDAT_SEED'];

/** @returns how many blocks were handed out and given back */
function run(topology: Topology, steps: readonly Step[], variant: Variant): number {
  const k = bootTopology(topology, variant.backing?.(memoryOf(topology).at(-1)!.end * PAGE_SIZE));
  k.page_alloc.static_keys = variant.static_keys;
  const model = new AllocatorModel(k, topology.cpus.length, memoryOf(topology));
  const history = new History(k, topology.cpus.length, model);
  for (const step of steps) {
    history.step(step);
    model.check();
  }
  history.freeAll();
  model.check();
  return model.operations;
}

interface Variant {
  readonly static_keys: number;
  readonly backing?: (end: number) => Backing;
}

const variants: readonly (readonly [string, Variant])[] = [
  ['the written-out paths', { static_keys: 0 }],
  // What is below 4 GiB and what is above then lies in buffers of its own.
  [
    'the written-out paths with RAM in several buffers',
    { static_keys: 0, backing: (end) => new ArrayBacking(end, GiB) },
  ],
  ['the general paths', { static_keys: NO_FEATURE }],
];

test.each(variants)(
  'by %s: every frame has one owner, and all that is counted agrees with the lists',
  (_paths, variant) => {
    const steps = soak
      ? fc.array(anyStep, { minLength: 2000, maxLength: 2000, size: 'max' })
      : fc.array(anyStep, { minLength: 1, maxLength: 250, size: 'max' });
    const topology = fc.oneof({ weight: 19, arbitrary: anyTopology(1500) }, anyTopology(9000));
    let operations = 0;
    fc.assert(
      fc.property(topology, steps, (machine, history) => {
        operations += run(machine, history, variant);
      }),
      {
        numRuns: soak ? 125 : 15,
        ...(seed === undefined ? {} : { seed: Number(seed) }),
        // Of a failure: how long to look for a shorter history.
        ...(soak ? {} : { interruptAfterTimeLimit: 15_000 }),
      },
    );
    expect(operations).toBeGreaterThan(soak ? 500_000 : 15);
  },
  1_800_000,
);
