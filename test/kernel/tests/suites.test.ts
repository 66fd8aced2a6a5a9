// The in-kernel self tests, run on a machine of plain ArrayBuffers: all pass, and their names are fit for KTAP.

import { describe, expect, it } from 'vitest';
import { debian } from '../../../kernel/config.ts';
import { Kernel } from '../../../kernel/kernel.ts';
import { kunit_check_names, kunit_run_tests } from '../../../kernel/lib/kunit.ts';
import type { TestMachine } from '../../../kernel/tests/env.ts';
import { suites } from '../../../kernel/tests/suites.ts';
import { diskHw, testHw } from '../../support/hw.ts';

const machine: TestMachine = {
  kernel: (ram, { config = debian, boot_params, disks = [] } = {}) =>
    new Kernel(disks.length === 0 ? testHw(ram, boot_params) : diskHw(ram, disks, boot_params), config),
};

it('names are fit for KTAP', () => {
  expect(kunit_check_names(suites)).toEqual([]);
});

describe.each(suites.map((suite) => [suite.name, suite] as const))('%s', (_name, suite) => {
  it('passes', () => {
    const lines: string[] = [];
    const stats = kunit_run_tests(
      [suite],
      () => machine,
      (line) => lines.push(line),
    );
    expect(
      lines.filter(
        (line) => /^\s*(not ok|# .*(FAILED|:))|Expected|==/.test(line) && !/# (Subtest|Totals)|pass:/.test(line),
      ),
    ).toEqual([]);
    expect(stats.failed).toBe(0);
    expect(stats.passed).toBeGreaterThan(0);
  });
});
