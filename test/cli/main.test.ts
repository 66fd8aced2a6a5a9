// What a user sees of the dispatcher: help, one line for each mistake, and never an exception.

import { describe, expect, it } from 'vitest';
import { type Command, UsageError } from '../../cli/command.ts';
import { dispatch, main, outputFailure } from '../../cli/main.ts';
import { KernelBug, KernelPanic } from '../../kernel/lib/bug.ts';
import { Captured } from '../support/capture.ts';

function command(run: Command['run'], rest: 'qemu' | 'operands' = 'operands'): Command {
  return {
    spec: {
      name: 'demo',
      operands: rest === 'qemu' ? '[QEMU OPTIONS]' : 'FILE...',
      summary: 'shows how it is done',
      options: [
        { name: '-append', value: 'TEXT', choices: [], help: 'kernel parameters' },
        { name: '--firmware', value: 'bios|none', choices: ['bios', 'none'], help: 'who fills RAM' },
        { name: '--json', value: null, choices: [], help: 'the result as data' },
      ],
      rest,
      operand_count: [1, 2],
      notes: [],
    },
    run,
  };
}

async function run(one: Command, ...argv: string[]) {
  const output = new Captured();
  const code = await dispatch([one], argv, output);
  return { code, out: output.stdout, err: output.stderr };
}

const echo = command((values, rest, output) => {
  output.out(JSON.stringify([Object.fromEntries(values), rest]));
  return 0;
});
const qemu_echo = command(echo.run, 'qemu');
const throwing = (error: unknown) =>
  command(() => {
    throw error;
  });

describe('options', () => {
  it.each([
    ['a value apart', echo, ['-append', 'mem=1G quiet', 'f'], [{ '-append': 'mem=1G quiet' }, ['f']]],
    ['a value after =', echo, ['--append=mem=1G', 'f'], [{ '-append': 'mem=1G' }, ['f']]],
    ['one dash is taken as two', echo, ['--append', 'x', '--json', 'f'], [{ '-append': 'x', '--json': '' }, ['f']]],
    ['two dashes are not one', qemu_echo, ['-json', '-firmware', 'none'], [{}, ['-json', '-firmware', 'none']]],
    ['the last of a repeated one', echo, ['-append', 'a', '-append', 'b', 'f'], [{ '-append': 'b' }, ['f']]],
    ['operands after --', echo, ['--', '--json'], [{}, ['--json']]],
    ['a value that begins with a dash', echo, ['-append', '-x', 'f'], [{ '-append': '-x' }, ['f']]],
    [
      "QEMU's options, in order",
      qemu_echo,
      ['-m', '4G', '--json', '-smp', '2'],
      [{ '--json': '' }, ['-m', '4G', '-smp', '2']],
    ],
  ])('%s', async (_name, one, argv, wanted) => {
    expect(JSON.parse((await run(one, 'demo', ...argv)).out)).toEqual(wanted);
  });

  it('says which of several counts where only one can, and nothing where they agree', async () => {
    const again = ['--append=b', '-append', 'c', '--firmware', 'none', '--firmware', 'none', '--json', '--json'];
    const { code, out, err } = await run(echo, 'demo', '-append', 'a', ...again, 'f');
    expect([code, JSON.parse(out)[0]['-append']]).toEqual([0, 'c']);
    expect(err).toBe('pgdat: warning: -append is there more than once, the last one counts: -append c\n');
  });

  it('names every mistake in one line of its own', async () => {
    const { code, out, err } = await run(
      echo,
      'demo',
      '--frob',
      '--firmware',
      'uefi',
      '--json=yes',
      'a',
      'b',
      'c',
      '-append',
    );
    expect(err.trimEnd().split('\n')).toEqual([
      "pgdat demo: unknown option '--frob'",
      "pgdat demo: --firmware is one of bios, none, found 'uefi'",
      "pgdat demo: --json takes no value, found 'yes'",
      'pgdat demo: -append needs a value: -append TEXT',
      "pgdat demo: unexpected argument 'c'",
    ]);
    expect([code, out]).toEqual([2, '']);
  });

  it('says which operands are missing', async () => {
    expect((await run(echo, 'demo')).err).toBe('pgdat demo: needs FILE...\n');
  });
});

describe('help', () => {
  it.each([['--help'], ['-h'], ['help']])('pgdat %s lists the commands', async (...argv) => {
    const { code, out } = await run(echo, ...argv);
    expect(code).toBe(0);
    expect(out).toContain('demo  shows how it is done');
  });
  it.each([[['demo', '--help']], [['demo', '--frob', '-h']], [['help', 'demo']]])('%j explains one', async (argv) => {
    const { code, out } = await run(echo, ...argv);
    expect(code).toBe(0);
    expect(out).toContain('usage: pgdat demo [-append TEXT] [--firmware bios|none] [--json] FILE...');
    expect(out).toContain('-append TEXT          kernel parameters');
  });
  it('without a command goes to standard error', async () => {
    const { code, out, err } = await run(echo);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain('usage: pgdat COMMAND');
  });
});

describe('what goes wrong', () => {
  it.each([
    ['an unknown command', echo, ['boto'], 2, "pgdat: unknown command 'boto'; the commands are demo\n"],
    ['an option in place of a command', echo, ['--json'], 2, "pgdat: unknown option '--json'; the commands are demo\n"],
    ['a panic', throwing(new KernelPanic('no memory')), ['demo', 'f'], 1, 'Kernel panic - not syncing: no memory\n'],
    ['a BUG', throwing(new KernelBug('kernel BUG: order')), ['demo', 'f'], 1, 'kernel BUG: order\n'],
    [
      'wrong input',
      throwing(new UsageError(['a: 1', 'b: 2'])),
      ['demo', 'f'],
      2,
      'pgdat demo: a: 1\npgdat demo: b: 2\n',
    ],
  ])('%s', async (_name, one, argv, code, err) => {
    expect(await run(one, ...argv)).toEqual({ code, out: '', err });
  });

  it.each([[new TypeError('x is undefined')], ['a string']])('a mistake of ours (%s) has no stack', async (thrown) => {
    const { code, err } = await run(throwing(thrown), 'demo', 'f');
    expect(code).toBe(1);
    expect(err).toMatch(/^pgdat demo: internal error: .*\n.*\n$/);
    expect(err).not.toMatch(/^\s+at /m);
  });
});

it('an option with a letter wrong', async () => {
  expect((await run(echo, 'demo', '--jsom', 'f')).err).toBe(
    "pgdat demo: unknown option '--jsom', did you mean --json?\n",
  );
});

it.each(['--version', '-V', 'version'])('pgdat %s', async (option) => {
  expect(await run(echo, option)).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^pgdat \d+\.\d+\.\d+, Linux 6\.1\.\d+\n$/),
  });
});

it.each([
  ['a closed pipe is no error', 'EPIPE', '', 0],
  ['a full disk is told in one line', 'ENOSPC', 'pgdat: standard output cannot be written: ENOSPC: write\n', 1],
])('%s', (_name, code, text, exit) => {
  expect(outputFailure(Object.assign(new Error(`${code}: write`), { code }))).toEqual({ text, code: exit });
});

it('main() knows its own commands', async () => {
  const output = new Captured();
  expect(await main(['--help'], output)).toBe(0);
  expect(output.stdout).toContain('usage: pgdat COMMAND');
});
