// Who writes to files and when he has to wait for the disk, where next to nothing may be dirty.

import { expect, test } from 'vitest';
import { recorder } from '../../../kernel/config.ts';
import { NR_FILE_DIRTY } from '../../../kernel/include/mmzone.ts';
import { Kernel } from '../../../kernel/kernel.ts';
import { kunit } from '../../../kernel/lib/kunit.ts';
import { balance_dirty_pages_ratelimited } from '../../../kernel/mm/balance_dirty.ts';
import { ktime_get } from '../../../kernel/sched/clock.ts';
import { user_mode_thread } from '../../../kernel/sched/fork.ts';
import { run } from '../../../kernel/sched/run.ts';
import type { TestMachine } from '../../../kernel/tests/env.ts';
import { swap_machine } from '../../../kernel/tests/swap_area.ts';
import { diskHw } from '../../support/hw.ts';

const machine: TestMachine = {
  kernel: (ram, { config = recorder, boot_params, disks = [] } = {}) =>
    new Kernel(diskHw(ram, disks, boot_params), config),
};

/** wb_stat_error() of a machine with two CPUs. */
const STAT_ERROR = 32;

test.each([
  ['nobody waits for pages that may be counted though they are clean', STAT_ERROR, true],
  ['for more than those a writer waits', STAT_ERROR + 1, false],
])('%s', (_name, dirty, goes_on) => {
  const k = swap_machine(new kunit('dirty', machine), [], { cpus: [0, 0] });
  k.writeback.vm_dirty_bytes = 1;
  k.node_data[0]!.add_vm_stat(NR_FILE_DIRTY, dirty);
  let ended = false;
  user_mode_thread(k, 'writer', function* () {
    yield* balance_dirty_pages_ratelimited(k);
    ended = true;
  });
  run(k, { until: () => ended, for_ns: 1e9 });
  expect([ended, ktime_get(k) < 1e9]).toEqual([goes_on, goes_on]);
});
