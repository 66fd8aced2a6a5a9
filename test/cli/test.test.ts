// `pgdat test`: selection, back ends, exit code. What KTAP looks like is in test/kernel/lib/kunit.test.ts.

import { describe, expect, it } from 'vitest';
import { dispatch } from '../../cli/main.ts';
import { testCommand } from '../../cli/test.ts';
import { Captured } from '../support/capture.ts';

async function run(...argv: string[]) {
  const output = new Captured();
  const code = await dispatch([testCommand], ['test', ...argv], output);
  return { code, lines: output.stdout.trimEnd().split('\n'), err: output.stderr };
}

describe('pgdat test', () => {
  it('runs what a glob selects, on the back end that is named', async () => {
    const { code, lines } = await run('--backend', 'array', 'node*.set_*');
    expect(lines).toEqual([
      'KTAP version 1',
      '1..1',
      '    KTAP version 1',
      '    # Subtest: nodemask',
      '    1..1',
      '    ok 1 set_and_clear',
      'ok 1 nodemask',
    ]);
    expect(code).toBe(0);
  });

  it('runs on both back ends unless told otherwise; without an engine the second is skipped', async () => {
    const { code, lines } = await run('nodemask.clear_all');
    expect(lines.filter((line) => /^(ok|not ok) /.test(line)).map((line) => line.replace(/ # SKIP.*/, ''))).toEqual([
      'ok 1 nodemask',
      'ok 2 nodemask_unicorn',
    ]);
    expect(code).toBe(0);
  });

  it('lists the names without running anything', async () => {
    const { lines } = await run('--list', 'memblock.add*');
    expect(lines).toEqual(['memblock.add', 'memblock.add_node', 'memblock.add_many']);
  });

  it('takes several globs, and each case once', async () => {
    const { lines } = await run('--list', 'memblock.add*', 'memblock.add', 'nodemask.clear_all');
    expect(lines).toEqual(['nodemask.clear_all', 'memblock.add', 'memblock.add_node', 'memblock.add_many']);
  });

  it("a suite's name in the report is that suite on that back end", async () => {
    const { code, lines } = await run('nodemask_unicorn.clear_all');
    expect(lines.filter((line) => /^(ok|not ok|\d)/.test(line)).map((line) => line.replace(/ # SKIP.*/, ''))).toEqual([
      '1..1',
      'ok 1 nodemask_unicorn',
    ]);
    expect(code).toBe(0);
    expect((await run('--backend', 'array', 'nodemask_unicorn')).code).toBe(2);
  });

  it('each glob that selects nothing is told', async () => {
    const { code, err } = await run('memblok', 'memblock', 'frob.*');
    expect(code).toBe(2);
    expect(
      err
        .trimEnd()
        .split('\n')
        .map((line) => line.split(';')[0]),
    ).toEqual(["pgdat test: no test is called 'memblok'", "pgdat test: no test is called 'frob.*'"]);
  });

  it.each([
    ['scheduler', 'sched'],
    ['LRU', 'lru'],
    ['migration', 'migrate'],
    ['memblok.add*', 'memblock'],
    ['compact', 'compaction'],
    ['memblock.ad', 'memblock.add'],
    ['page', 'page_alloc_gfp'],
  ])('%s: did you mean %s?', async (glob, near) => {
    const { code, err } = await run(glob);
    expect([code, err.endsWith(`; did you mean ${near}?\n`)]).toEqual([2, true]);
  });

  it.each(['frob', 'frob.add', 'memblock.frob'])('%s is like none', async (glob) => {
    expect((await run(glob)).err).not.toContain('did you mean');
  });

  it('a glob that selects nothing is refused, with the names there are', async () => {
    const { code, err } = await run('memblok');
    expect(code).toBe(2);
    expect(err).toMatch(/^pgdat test: no test is called 'memblok'; the suites are nodemask, e820, memblock, srat, /);
  });
});
