// The command line: finds the command, parses its options, and sees to it that whatever goes wrong reaches the user as
// one clear line a problem and an exit code, never as an exception.

import { EngineError } from '../emu/engine.ts';
import { GuestFault } from '../emu/fault.ts';
import { debian } from '../kernel/config.ts';
import { KernelBug, KernelPanic } from '../kernel/lib/bug.ts';
import manifest from '../package.json' with { type: 'json' };
import { benchCommand } from './bench.ts';
import { bootCommand } from './boot.ts';
import { type Command, EXIT_FAILED, EXIT_OK, EXIT_USAGE, type Output, UsageError } from './command.ts';
import { LabError } from './lab.ts';
import { commandHelp, generalHelp, parseOptions } from './options.ts';
import { oracleCommand } from './oracle.ts';
import { testCommand } from './test.ts';

const commands: readonly Command[] = [bootCommand, oracleCommand, testCommand, benchCommand];

const notes = [
  '`pgdat COMMAND --help` lists the options of a command, `pgdat --version` says which pgdat this is.',
  'Exit code: 0 done, 1 failed (kernel panic, a case that differs, a failed test), 2 the request is wrong.',
];

export async function main(argv: readonly string[], output: Output = process_output()): Promise<number> {
  return dispatch(commands, argv, output);
}

/** Separate from main() so that a test can bring its own commands. */
export async function dispatch(known: readonly Command[], argv: readonly string[], output: Output): Promise<number> {
  const [name, ...rest] = argv;
  const general = () =>
    generalHelp(
      known.map((one) => one.spec),
      notes,
    );
  if (name === undefined) {
    output.err(general());
    return EXIT_USAGE;
  }
  if (['--help', '-help', '-h', 'help'].includes(name)) {
    const about = known.find((one) => one.spec.name === rest[0]);
    output.out(about === undefined ? general() : commandHelp(about.spec));
    return EXIT_OK;
  }
  if (['--version', '-version', '-V', 'version'].includes(name)) {
    output.out(`pgdat ${manifest.version}, Linux ${debian.version}\n`);
    return EXIT_OK;
  }
  const command = known.find((one) => one.spec.name === name);
  if (command === undefined) {
    const kind = name.startsWith('-') ? 'option' : 'command';
    output.err(`pgdat: unknown ${kind} '${name}'; the commands are ${known.map((one) => one.spec.name).join(', ')}\n`);
    return EXIT_USAGE;
  }
  const parsed = parseOptions(command.spec, rest);
  if (parsed.help) {
    output.out(commandHelp(command.spec));
    return EXIT_OK;
  }
  try {
    if (parsed.errors.length > 0) throw new UsageError(parsed.errors);
    for (const warning of parsed.warnings) output.err(`pgdat: warning: ${warning}\n`);
    return await command.run(parsed.values, parsed.rest, output, parsed.lists);
  } catch (error) {
    return report(error, name, output);
  }
}

function report(error: unknown, name: string, output: Output): number {
  if (error instanceof UsageError) {
    for (const problem of error.problems) output.err(`pgdat ${name}: ${problem}\n`);
    return EXIT_USAGE;
  }
  if (error instanceof EngineError || error instanceof LabError || error instanceof GuestFault) {
    output.err(`pgdat ${name}: ${error.message}\n`);
    return EXIT_FAILED;
  }
  if (error instanceof KernelPanic) output.err(`Kernel panic - not syncing: ${error.message}\n`);
  else if (error instanceof KernelBug) output.err(`${error.message}\n`);
  else {
    // A mistake of ours: the message for the user, the stack only on request, so that a report can carry it.
    output.err(`pgdat ${name}: internal error: ${error instanceof Error ? error.message : String(error)}\n`);
    const stack = error instanceof Error ? error.stack : undefined;
    if (process.env['PGDAT_DEBUG'] && stack !== undefined) output.err(`${stack}\n`);
    else output.err('PGDAT_DEBUG=1 shows where; please report it with the options that led here\n');
  }
  return EXIT_FAILED;
}

/** What is left to say, and the exit code, once standard output takes no more. */
export function outputFailure({ code, message }: NodeJS.ErrnoException): { text: string; code: number } {
  return code === 'EPIPE'
    ? { text: '', code: EXIT_OK }
    : { text: `pgdat: standard output cannot be written: ${message}\n`, code: EXIT_FAILED };
}

function process_output(): Output {
  // `pgdat boot | head` closes the pipe early: that is the reader's wish, not an error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    const { text, code } = outputFailure(error);
    process.stderr.write(text);
    process.exit(code);
  });
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
  };
}
