// What a self test is given: machines to boot kernels on. The runner brings the back end; a suite knows none.

import type { KernelConfig } from '../config.ts';
import type { phys_addr_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import type { kunit, kunit_suite } from '../lib/kunit.ts';

/** Physical addresses, `end` exclusive. */
export interface RamRange {
  readonly start: phys_addr_t;
  readonly end: phys_addr_t;
}

/** An empty disk. */
export interface TestDisk {
  readonly sectors: number;
  readonly rotational?: boolean;
  readonly seed?: number;
}

export interface TestMachineOptions {
  readonly config?: KernelConfig;
  readonly boot_params?: phys_addr_t;
  readonly disks?: readonly TestDisk[];
}

export interface TestMachine {
  /** A kernel on a fresh machine with RAM in these ranges, all zero. Nothing has run yet. */
  kernel(ram: readonly RamRange[], options?: TestMachineOptions): Kernel;
}

export type Test = kunit<TestMachine>;
export type Suite = kunit_suite<TestMachine>;
