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
import { alikeName, nearestName } from './near.ts';

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
      kernel: (ram, { config = debian, boot_params = 0x10000, disks = [] } = {}) => {
        const machine = createMachine({ ram: withLowMemory(ram), backend, disks });
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

interface Run {
  readonly backend: Backend;
  readonly suite: Suite;
}

/** Names must differ: the suites of the second back end carry its name. */
const named = ({ suite, backend }: Run): Suite =>
  backend === 'array' ? suite : { ...suite, name: `${suite.name}_${backend}` };

/** Cases that one of the globs selects, by the suite's own name or by its name in the report. */
function casesOf(run: Run, globs: readonly string[]): Suite['test_cases'] {
  const selected = new Set(
    globs.flatMap((glob) =>
      [run.suite, named(run)].flatMap((suite) => kunit_filter_suites([suite], glob).flatMap((one) => one.test_cases)),
    ),
  );
  return run.suite.test_cases.filter((one) => selected.has(one));
}

/** What a glob that selects nothing may have meant: a suite, or one of the suite's cases. */
function meant(glob: string): string | null {
  const [name = '', wanted = ''] = glob.split(/\.(.*)/s);
  const names = suites.map((one) => one.name);
  const suite = suites.find((one) => one.name === name);
  if (suite === undefined) return nearestName(name, names) ?? alikeName(name, names);
  const cases = suite.test_cases.map((one) => one.name);
  const near = nearestName(wanted, cases) ?? alikeName(wanted, cases);
  return near === null ? null : `${name}.${near}`;
}

/** What is wrong with it. */
function unknownText(glob: string): string {
  const near = meant(glob);
  const hint = near === null ? '' : `; did you mean ${near}?`;
  return `no test is called '${glob}'; the suites are ${suites.map((one) => one.name).join(', ')}${hint}`;
}

export const testCommand: Command = {
  spec: {
    name: 'test',
    operands: '[SUITE[.CASE]]...',
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
    operand_count: [0, Number.POSITIVE_INFINITY],
    notes: [
      "SUITE and CASE are globs: pgdat test 'zone*' '*.add*'. Without one, all run. A suite's name in the report, such as",
      'memblock_unicorn, selects it on that back end alone.',
    ],
  },
  run(values, operands, output) {
    const globs = operands.length > 0 ? operands : ['*'];
    const wanted = values.get('--backend') ?? 'both';
    const backends = BACKENDS.filter((backend) => wanted === 'both' || wanted === backend);
    const every = backends.flatMap((backend) => suites.map((suite) => ({ backend, suite })));
    const unknown = globs.filter((glob) => every.every((one) => casesOf(one, [glob]).length === 0));
    if (unknown.length > 0) throw new UsageError(unknown.map(unknownText));
    const all = every
      .map((one) => ({ ...one, suite: { ...named(one), test_cases: casesOf(one, globs) }, base: one.suite.name }))
      .filter(({ suite }) => suite.test_cases.length > 0);
    if (values.has('--list')) {
      const names = all.flatMap(({ base, suite }) => suite.test_cases.map((one) => `${base}.${one.name}\n`));
      for (const name of new Set(names)) output.out(name);
      return EXIT_OK;
    }
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
