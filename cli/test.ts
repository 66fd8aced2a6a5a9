// `pgdat test`: the self tests that run inside the kernel, reported as KTAP. Each case gets machines of its own, over
// plain memory or over memory that an emulated CPU shares.

import { EngineError } from '../emu/engine.ts';
import { createMachine, type Machine } from '../emu/machine.ts';
import type { AddressRange } from '../emu/memory.ts';
import { unicornLibrary } from '../emu/unicorn/library.ts';
import { debian } from '../kernel/config.ts';
import { Kernel } from '../kernel/kernel.ts';
import { kunit_filter_suites, kunit_run_tests, kunit_skip } from '../kernel/lib/kunit.ts';
import type { RamRange, Suite, TestMachine } from '../kernel/tests/env.ts';
import { suites } from '../kernel/tests/suites.ts';
import { type Command, EXIT_FAILED, EXIT_OK, UsageError } from './command.ts';

const BACKENDS = ['array', 'unicorn'] as const;
type Backend = (typeof BACKENDS)[number];

/** Makes machines, and gives back those of the case before: a case does not know when it is over. */
export class TestBench {
  readonly #open: Machine[] = [];
  readonly #missing: string | null;

  constructor() {
    this.#missing = engineProblem();
  }

  environment(backend: Backend): TestMachine {
    this.close();
    if (backend === 'unicorn' && this.#missing !== null) kunit_skip(this.#missing);
    return {
      kernel: (ram, { config = debian, boot_params = 0x10000 } = {}) => {
        const machine = createMachine({ ram: withLowMemory(ram), backend });
        this.#open.push(machine);
        return new Kernel({ ram: machine.ram, ports: machine.ports, boot_params, cpu: machine.cpu }, config);
      },
    };
  }

  close(): void {
    for (const machine of this.#open.splice(0)) machine.close();
  }
}

/** The first line of what is wrong with the engine, or null. */
function engineProblem(): string | null {
  try {
    unicornLibrary();
    return null;
  } catch (error) {
    if (error instanceof EngineError) return error.message.split('\n')[0]!.replace(/[:#]/g, '');
    throw error;
  }
}

/** Every PC has its first MiB; ranges that touch become one. */
function withLowMemory(ram: readonly RamRange[]): AddressRange[] {
  const ranges: { start: number; end: number }[] = [];
  for (const { start, end } of [{ start: 0, end: 0x100000 }, ...ram].sort((a, b) => a.start - b.start)) {
    const last = ranges.at(-1);
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end);
    else ranges.push({ start, end });
  }
  return ranges;
}

/** Names must differ: the suites of the second back end carry its name. */
const named = (suite: Suite, backend: Backend): Suite =>
  backend === 'array' ? suite : { ...suite, name: `${suite.name}_${backend}` };

export const testCommand: Command = {
  spec: {
    name: 'test',
    operands: '[SUITE[.CASE]]',
    summary: 'runs the self tests inside the kernel, as KTAP 1',
    options: [
      {
        name: '--backend',
        value: 'array|unicorn|both',
        choices: [...BACKENDS, 'both'],
        help: 'plain memory, memory shared with an emulated CPU, or each in turn (default)',
      },
      { name: '--list', value: null, choices: [], help: 'the names of suites and cases, nothing is run' },
    ],
    rest: 'operands',
    operand_count: [0, 1],
    notes: ["SUITE and CASE are globs: pgdat test 'zone*', pgdat test '*.add*'. Without one, all run."],
  },
  run(values, [glob = '*'], output) {
    const selected = kunit_filter_suites(suites, glob);
    if (selected.length === 0) {
      throw new UsageError([`no test is called '${glob}'; the suites are ${suites.map((one) => one.name).join(', ')}`]);
    }
    if (values.has('--list')) {
      for (const suite of selected) for (const one of suite.test_cases) output.out(`${suite.name}.${one.name}\n`);
      return EXIT_OK;
    }
    const wanted = values.get('--backend') ?? 'both';
    const backends = BACKENDS.filter((backend) => wanted === 'both' || wanted === backend);
    const all = backends.flatMap((backend) => selected.map((suite) => ({ backend, suite: named(suite, backend) })));
    const backendOf = new Map(all.map(({ backend, suite }) => [suite.name, backend]));
    const bench = new TestBench();
    const stats = kunit_run_tests(
      all.map(({ suite }) => suite),
      (suite) => bench.environment(backendOf.get(suite.name)!),
      (line) => output.out(`${line}\n`),
    );
    bench.close();
    return stats.failed > 0 ? EXIT_FAILED : EXIT_OK;
  },
};
