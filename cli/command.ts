// What a command is to the dispatcher, and how a command says that it was asked for something impossible.

import type { CommandSpec } from './options.ts';

/** Where a command writes: standard output and standard error, or a test's strings. */
export interface Output {
  out(text: string): void;
  err(text: string): void;
}

/** Exit codes, the same for every command. */
export const EXIT_OK = 0;
/** What was asked for was tried and failed: a panic, a case that differs, a test that fails. */
export const EXIT_FAILED = 1;
/** What was asked for makes no sense: options, operands, a file that cannot be read. */
export const EXIT_USAGE = 2;

export interface Command {
  readonly spec: CommandSpec;
  run(
    values: ReadonlyMap<string, string>,
    rest: readonly string[],
    output: Output,
    /** Values of the options that may be repeated. */
    lists: ReadonlyMap<string, readonly string[]>,
  ): number | Promise<number>;
}

/** Wrong input, all problems at once. Printed one line each, without a stack. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}
