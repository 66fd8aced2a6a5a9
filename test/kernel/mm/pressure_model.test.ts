// Tasks, files and the kernel itself want more memory than there is, while all that can go wrong does: no contents are lost
// and no page, nobody sleeps for ever, errors reach whoever asked, and one seed is one run.
//
// PGDAT_SOAK=1: a million operations on forty machines. PGDAT_SEED=N: the machines and histories of another seed.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { vm_event_item } from '../../../kernel/include/vm_event_item.ts';
import { all_vm_events } from '../../../kernel/mm/vm_event.ts';
import { anyPressure, type PressureSpec } from '../../support/pressure_machine.ts';
import { PressureModel } from '../../support/pressure_model.ts';

const soak = process.env['PGDAT_SOAK'] !== undefined;
const seed = Number(process.env['PGDAT_SEED'] ?? 1);
const runs = soak ? 40 : 3;
const steps = soak ? 25_000 : 3000;

/** What has to have happened on a machine under pressure. */
const events = ['pswpout', 'pswpin', 'pgsteal_kswapd', 'pgsteal_direct', 'pgactivate'];

function run(spec: PressureSpec): PressureModel {
  const model = new PressureModel(spec, steps);
  model.run();
  expect(model.wrong, JSON.stringify(spec)).toEqual([]);
  expect(model.operations).toBe(steps);
  return model;
}

const told: Record<string, number> = {};

describe('any machine: contents are what was written, every page has one owner, and nobody sleeps for ever', () => {
  test.each(fc.sample(anyPressure, { numRuns: runs, seed }).map((spec, n) => [n, spec] as const))(
    `%i of seed ${seed}`,
    (_n, spec) => {
      for (const [error, times] of Object.entries(run(spec).told)) told[error] = (told[error] ?? 0) + times;
    },
    1_200_000,
  );

  test.runIf(soak)('each kind of failure has happened, and somebody was told of it', () => {
    for (const [error, times] of Object.entries(told)) expect([error, times > 0]).toEqual([error, true]);
  });
});

const harsh: PressureSpec = {
  nodes: 2,
  mib: 64,
  room: 8,
  cpus: 3,
  swap: [8, 8],
  rotational: false,
  faults: { read: 200_000, write: 100_000, stall: 20_000 },
  fail_page_alloc: 5,
  cpusets: true,
  switching: true,
  demand: 120,
  seed: 2,
};

test('what cannot be read is a signal or an error to whoever asked; the same seed is the same run', () => {
  const [a, b] = [run(harsh), run(harsh)];
  expect(a.told['SIGBUS']! > 0 && a.told['EIO']! > 0).toBe(true);
  const counts = all_vm_events(a.k);
  for (const name of events) expect([name, counts[vm_event_item.indexOf(name)]! > 0]).toEqual([name, true]);
  expect(b.digest()).toBe(a.digest());
}, 600_000);
