// KUnit (Linux: lib/kunit/test.c, include/kunit/test.h): suites of cases that run inside the kernel and report in KTAP 1.
//
// Differs from Linux: 6.1 heads its output "TAP version 14" and prints no version line below the top. Its own
// tools/testing/kunit/kunit.py wants KTAP version 1 and, at every level, a "# Subtest:" line; that is what is written
// here. Expectations carry a label where C has the text of the expression. What a case throws fails that case alone.
// Left out: resources, the executor's debugfs files, per-test attributes (later than 6.1).

import { KernelBug, KernelPanic } from './bug.ts';

/** What a running case knows of itself: its diagnostics, and whatever the suite's init put in `priv`. */
export class kunit<Priv = unknown> {
  readonly name: string;
  readonly priv: Priv;
  readonly log: string[] = [];
  failed = false;
  skipped: string | null = null;

  constructor(name: string, priv: Priv) {
    this.name = name;
    this.priv = priv;
  }
}

/** Ends a case at once: an assertion that does not hold. Never leaves the runner. */
class KunitStop extends Error {
  override readonly name = 'KunitStop';
}

/** Ends a case as skipped; the message is the reason. Thrown by kunit_skip(), or by what makes the environment. */
export class KunitSkip extends Error {
  override readonly name = 'KunitSkip';
}

export interface kunit_param {
  /** Names the row in the output; unique within the case. */
  readonly desc: string;
}

export interface kunit_case<Env> {
  readonly name: string;
  readonly params: readonly kunit_param[] | null;
  readonly run: (test: kunit<Env>, param: kunit_param | null) => void;
}

export interface kunit_suite<Env> {
  readonly name: string;
  readonly test_cases: readonly kunit_case<Env>[];
}

export const KUNIT_CASE = <Env>(name: string, run: (test: kunit<Env>) => void): kunit_case<Env> => ({
  name,
  params: null,
  run,
});

/** One subtest for each row of `params`. */
export const KUNIT_CASE_PARAM = <Env, Param extends kunit_param>(
  name: string,
  params: readonly Param[],
  run: (test: kunit<Env>, param: Param) => void,
): kunit_case<Env> => ({ name, params, run: (test, param) => run(test, param as Param) });

/** A number as KUnit shows it (decimal and hex), anything else as JSON. */
function show(value: unknown): string {
  if (typeof value === 'bigint') return `${value} (0x${value.toString(16)})`;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 10) return `${value} (0x${value.toString(16)})`;
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
}

function fail(test: kunit, kind: 'EXPECTATION' | 'ASSERTION', lines: readonly string[]): void {
  test.failed = true;
  // Each line is a comment: one that began with "ok 1" or "# Subtest:" would be taken for what it says.
  test.log.push(
    `# ${test.name}: ${kind} FAILED`,
    ...lines.flatMap((line) => line.split('\n')).map((line) => `#     ${line}`),
  );
  if (kind === 'ASSERTION') throw new KunitStop('assertion');
}

export function KUNIT_FAIL(test: kunit, text: string): void {
  fail(test, 'EXPECTATION', [text]);
}

/** Equal, member by member for arrays and plain objects. */
export function KUNIT_EXPECT_EQ<T>(test: kunit, what: string, found: T, wanted: T): void {
  if (same(found, wanted)) return;
  fail(test, 'EXPECTATION', [`Expected ${what} == ${show(wanted)}, but`, `    ${what} == ${show(found)}`]);
}

export function KUNIT_EXPECT_TRUE(test: kunit, what: string, condition: boolean): void {
  if (!condition) fail(test, 'EXPECTATION', [`Expected ${what} to be true, but is false`]);
}

export function KUNIT_EXPECT_FALSE(test: kunit, what: string, condition: boolean): void {
  if (condition) fail(test, 'EXPECTATION', [`Expected ${what} to be false, but is true`]);
}

/** As KUNIT_EXPECT_TRUE, but what follows in the case makes no sense without it. */
export function KUNIT_ASSERT_TRUE(test: kunit, what: string, condition: boolean): void {
  if (!condition) fail(test, 'ASSERTION', [`Expected ${what} to be true, but is false`]);
}

/** Marks the case as skipped and leaves it. */
export function kunit_skip(reason: string): never {
  throw new KunitSkip(reason);
}

function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length || Array.isArray(a) !== Array.isArray(b)) return false;
  return keys.every(
    (key) => Object.hasOwn(b, key) && same((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]),
  );
}

export interface kunit_stats {
  passed: number;
  failed: number;
  skipped: number;
}

const no_stats = (): kunit_stats => ({ passed: 0, failed: 0, skipped: 0 });
const total = (stats: kunit_stats): number => stats.passed + stats.failed + stats.skipped;
const stats_text = (stats: kunit_stats): string =>
  `pass:${stats.passed} fail:${stats.failed} skip:${stats.skipped} total:${total(stats)}`;

function add(stats: kunit_stats, more: kunit_stats): void {
  stats.passed += more.passed;
  stats.failed += more.failed;
  stats.skipped += more.skipped;
}

/** Passed if nothing failed and not all was skipped (Linux: kunit_suite_has_succeeded()). */
function outcome(stats: kunit_stats): kunit_stats {
  const one = no_stats();
  if (stats.failed > 0) one.failed = 1;
  else if (stats.passed > 0 || stats.skipped === 0) one.passed = 1;
  else one.skipped = 1;
  return one;
}

const result_line = (stats: kunit_stats, number: number, name: string, reason = ''): string =>
  `${stats.failed > 0 ? 'not ok' : 'ok'} ${number} ${name}${stats.skipped > 0 ? ` # SKIP ${reason}`.trimEnd() : ''}`;

const INDENT = '    ';

/**
 * Runs the suites, writing KTAP line by line.
 * @param env what makes it is called anew for every case and every row, so that none sees another's kernel
 * @returns leaf results: a parameterised case counts its rows
 */
export function kunit_run_tests<Env>(
  suites: readonly kunit_suite<Env>[],
  env: (suite: kunit_suite<Env>) => Env,
  write: (line: string) => void,
): kunit_stats {
  const all = no_stats();
  write('KTAP version 1');
  write(`1..${suites.length}`);
  suites.forEach((suite, i) => {
    const indented = (line: string) => write(INDENT + line);
    indented('KTAP version 1');
    indented(`# Subtest: ${suite.name}`);
    indented(`1..${suite.test_cases.length}`);
    const cases = no_stats();
    const leaves = no_stats();
    suite.test_cases.forEach((test_case, j) => {
      const leaf = run_case(test_case, j + 1, () => env(suite), indented);
      add(cases, outcome(leaf));
      add(leaves, leaf);
    });
    if (total(cases) > 1) write(`# ${suite.name}: ${stats_text(cases)}`);
    if (total(leaves) > 1) write(`# Totals: ${stats_text(leaves)}`);
    write(result_line(outcome(cases), i + 1, suite.name));
    add(all, leaves);
  });
  if (suites.length > 1) write(`# Totals: ${stats_text(all)}`);
  return all;
}

function run_case<Env>(
  test_case: kunit_case<Env>,
  number: number,
  env: () => Env,
  write: (line: string) => void,
): kunit_stats {
  if (test_case.params === null) {
    const test = run_one(test_case, null, env);
    const stats = outcome_of(test);
    for (const line of test.log) write(INDENT + line);
    write(result_line(stats, number, test_case.name, test.skipped ?? ''));
    return stats;
  }
  const leaves = no_stats();
  const indented = (line: string) => write(INDENT + line);
  indented('KTAP version 1');
  indented(`# Subtest: ${test_case.name}`);
  indented(`1..${test_case.params.length}`);
  test_case.params.forEach((param, i) => {
    const test = run_one(test_case, param, env);
    const stats = outcome_of(test);
    for (const line of test.log) indented(INDENT + line);
    indented(result_line(stats, i + 1, param.desc, test.skipped ?? ''));
    add(leaves, stats);
  });
  if (total(leaves) > 1) write(`# ${test_case.name}: ${stats_text(leaves)}`);
  write(result_line(outcome(leaves), number, test_case.name));
  return leaves;
}

function outcome_of(test: kunit): kunit_stats {
  const stats = no_stats();
  if (test.failed) stats.failed = 1;
  else if (test.skipped !== null) stats.skipped = 1;
  else stats.passed = 1;
  return stats;
}

function run_one<Env>(test_case: kunit_case<Env>, param: kunit_param | null, env: () => Env): kunit<Env> {
  let test: kunit<Env> | null = null;
  try {
    test = new kunit(test_case.name, env());
    test_case.run(test, param);
  } catch (error) {
    test ??= new kunit(test_case.name, null as Env);
    if (error instanceof KunitSkip) test.skipped = error.message;
    else if (!(error instanceof KunitStop)) {
      test.failed = true;
      test.log.push(...thrown(error).map((line) => `# ${test_case.name}: ${line}`));
    }
  }
  return test;
}

/** A panic or a BUG says what it is; anything else is a mistake in our own code, and where it was made helps. */
function thrown(error: unknown): string[] {
  if (error instanceof KernelPanic) return [`Kernel panic - not syncing: ${error.message}`];
  if (error instanceof KernelBug) return error.message.split('\n');
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return text.split('\n').slice(0, 4);
}

/**
 * The suites and cases that `glob` selects: "SUITE" or "SUITE.CASE", with *, ? and [...] as in a shell. A suite none of
 * whose cases is selected is left out.
 */
export function kunit_filter_suites<Env>(suites: readonly kunit_suite<Env>[], glob: string): kunit_suite<Env>[] {
  const dot = glob.indexOf('.');
  const suite_matches = glob_match(dot < 0 ? glob : glob.slice(0, dot));
  const case_matches = glob_match(dot < 0 ? '*' : glob.slice(dot + 1));
  return suites
    .filter((suite) => suite_matches(suite.name))
    .map((suite) => ({ ...suite, test_cases: suite.test_cases.filter((one) => case_matches(one.name)) }))
    .filter((suite) => suite.test_cases.length > 0);
}

/** Linux: glob_match(). An unclosed bracket is a character like any other. */
function glob_match(glob: string): (name: string) => boolean {
  let pattern = '';
  for (let i = 0; i < glob.length; i++) {
    const c = glob[i]!;
    const close = c === '[' ? glob.indexOf(']', i + 2) : -1;
    if (c === '*') pattern += '.*';
    else if (c === '?') pattern += '.';
    else if (close > 0) {
      const inside = glob
        .slice(i + 1, close)
        .replace(/[\\\]^]/g, (special, at) => (at === 0 && special === '^' ? '^' : `\\${special}`));
      pattern += `[${inside.startsWith('!') ? `^${inside.slice(1)}` : inside}]`;
      i = close;
    } else pattern += c.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  }
  let compiled: RegExp;
  try {
    compiled = new RegExp(`^${pattern}$`);
  } catch {
    return (name) => name === glob; // a range that ends before it begins
  }
  return (name) => compiled.test(name);
}

/** What would make a consumer misread the output: names with '#', twice the same name, a case named like its suite. */
export function kunit_check_names<Env>(suites: readonly kunit_suite<Env>[]): string[] {
  const problems: string[] = [];
  const check = (names: readonly string[], where: string) => {
    names.forEach((name, i) => {
      if (!/^[^\s#](?:[^#\n]*[^\s#])?$/.test(name)) problems.push(`${where}: '${name}' cannot be a test's name`);
      if (names.indexOf(name) !== i) problems.push(`${where}: '${name}' is there twice`);
      if (name === where) problems.push(`${where}: a test may not have the name of what holds it`);
    });
  };
  check(
    suites.map((suite) => suite.name),
    'suites',
  );
  for (const suite of suites) {
    check(
      suite.test_cases.map((one) => one.name),
      suite.name,
    );
    for (const one of suite.test_cases)
      if (one.params !== null)
        check(
          one.params.map((row) => row.desc),
          one.name,
        );
  }
  return problems;
}
