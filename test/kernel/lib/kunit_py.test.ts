// What Linux's own tools/testing/kunit/kunit.py makes of our output: every leaf found, at every level, no errors. Runs
// where KUNIT_PY names that file (tools/testing/kunit/kunit.py of a 6.1 tree) and python3 is there.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { KUNIT_CASE, KUNIT_CASE_PARAM, KUNIT_FAIL, kunit_run_tests, kunit_skip } from '../../../kernel/lib/kunit.ts';

const kunit_py = process.env['KUNIT_PY'];
const there = kunit_py !== undefined && existsSync(kunit_py);

it.skipIf(!there)('kunit.py finds every leaf (set KUNIT_PY to a 6.1 kunit.py to run this)', () => {
  const rows = [{ desc: 'row one' }, { desc: 'row two' }, { desc: 'row three' }];
  const suite = (name: string) => ({
    name,
    test_cases: [
      KUNIT_CASE<number>('passes', () => {}),
      KUNIT_CASE<number>('fails', (test) => KUNIT_FAIL(test, 'ok 7 not a result\nKTAP version 1\nSubtest: none\n1..9')),
      KUNIT_CASE<number>('skips', () => kunit_skip('a reason')),
      KUNIT_CASE_PARAM<number, (typeof rows)[number]>('rows', rows, (test, row) => {
        if (row.desc === 'row two') KUNIT_FAIL(test, 'two');
        if (row.desc === 'row three') kunit_skip('three');
      }),
    ],
  });
  const lines: string[] = [];
  kunit_run_tests(
    [suite('first'), suite('second')],
    () => 0,
    (line) => lines.push(line),
  );
  const child = spawnSync('python3', ['-B', kunit_py!, 'parse'], { input: `${lines.join('\n')}\n`, encoding: 'utf8' });
  expect(child.stdout).toContain('Ran 12 tests: passed: 4, failed: 4, skipped: 4');
  expect(child.stdout).not.toMatch(/errors|\[ERROR\]|CRASHED/);
});
