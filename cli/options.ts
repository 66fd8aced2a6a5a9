// The command line's own grammar: commands, their options, and the help that is printed from the same table. QEMU's
// options (`-m 4G`, `-numa node,...`) are not known here; a command that takes them is handed what is left, in order.

import { nearestName } from './near.ts';

export interface OptionSpec {
  /**
   * As documented: `--json`, `-append`. What has one dash is taken with two as well, as QEMU takes its own; what has two
   * needs both, so that `-machine q35` is QEMU's and `--machine FILE` ours.
   */
  readonly name: string;
  /** Placeholder of its value in the help; null: the option is a switch. */
  readonly value: string | null;
  /** The only values there are; empty: any. */
  readonly choices: readonly string[];
  readonly help: string;
  /** May be given several times, and each counts: the command finds them in `lists`. */
  readonly repeatable?: true;
}

export interface CommandSpec {
  readonly name: string;
  /** What follows the options in the usage line. */
  readonly operands: string;
  readonly summary: string;
  readonly options: readonly OptionSpec[];
  /** What is left after the options: QEMU's options, or operands none of which begins with a dash. */
  readonly rest: 'qemu' | 'operands';
  /** How many operands there must and may be. */
  readonly operand_count: readonly [number, number];
  readonly notes: readonly string[];
}

export interface ParsedOptions {
  /** Values by option name; a switch has the value ''. Of an option that is not repeatable the last one counts. */
  readonly values: ReadonlyMap<string, string>;
  /** All values of each repeatable option, in order. */
  readonly lists: ReadonlyMap<string, readonly string[]>;
  readonly rest: readonly string[];
  readonly help: boolean;
  /** One line each, all that is wrong. */
  readonly errors: readonly string[];
  /** One line each: options that were given again with another value. */
  readonly warnings: readonly string[];
}

const isNamed = ({ name }: OptionSpec, token: string): boolean =>
  token === name || (!name.startsWith('--') && token === `-${name}`);

export function parseOptions(command: CommandSpec, argv: readonly string[]): ParsedOptions {
  const values = new Map<string, string>();
  const lists = new Map<string, string[]>();
  const rest: string[] = [];
  const errors: string[] = [];
  const overridden = new Set<string>();
  let help = false;
  let only_operands = false;
  for (let i = 0; i < argv.length; i++) {
    const token = argv[i]!;
    if (only_operands || !token.startsWith('-') || token === '-') {
      rest.push(token);
      continue;
    }
    if (token === '--') {
      only_operands = true;
      continue;
    }
    if (token === '--help' || token === '-help' || token === '-h') {
      help = true;
      continue;
    }
    const equals = token.indexOf('=');
    const name = equals < 0 ? token : token.slice(0, equals);
    const option = command.options.find((one) => isNamed(one, name));
    if (option === undefined) {
      if (command.rest === 'qemu') rest.push(token);
      else {
        const near = nearestName(
          name,
          command.options.map((one) => one.name),
        );
        errors.push(`unknown option '${token}'${near === null ? '' : `, did you mean ${near}?`}`);
      }
      continue;
    }
    if (option.value === null) {
      if (equals >= 0) errors.push(`${option.name} takes no value, found '${token.slice(equals + 1)}'`);
      values.set(option.name, '');
      continue;
    }
    const value = equals >= 0 ? token.slice(equals + 1) : argv[++i];
    if (value === undefined) errors.push(`${option.name} needs a value: ${option.name} ${option.value}`);
    else if (option.choices.length > 0 && !option.choices.includes(value))
      errors.push(`${option.name} is one of ${option.choices.join(', ')}, found '${value}'`);
    else if (option.repeatable) lists.set(option.name, [...(lists.get(option.name) ?? []), value]);
    else {
      if ((values.get(option.name) ?? value) !== value) overridden.add(option.name);
      values.set(option.name, value);
    }
  }
  if (!help && command.rest === 'operands') {
    const [least, most] = command.operand_count;
    if (rest.length < least) errors.push(`needs ${command.operands}`);
    for (const extra of rest.slice(most)) errors.push(`unexpected argument '${extra}'`);
  }
  const warnings = [...overridden].map(
    (name) => `${name} is there more than once, the last one counts: ${name} ${values.get(name)}`,
  );
  return { values, lists, rest, help, errors, warnings };
}

const signature = (option: OptionSpec): string =>
  option.value === null ? option.name : `${option.name} ${option.value}`;

export function usage(command: CommandSpec): string {
  const options = command.options.map((option) => `[${signature(option)}]${option.repeatable ? '...' : ''}`);
  return ['pgdat', command.name, ...options, command.operands].filter((part) => part !== '').join(' ');
}

export function commandHelp(command: CommandSpec): string {
  const rows: [string, string][] = command.options.map((option) => [signature(option), option.help]);
  rows.push(['--help', 'this text']);
  return [
    `usage: ${usage(command)}`,
    '',
    command.summary,
    '',
    ...columns(rows),
    ...(command.notes.length > 0 ? ['', ...command.notes] : []),
    '',
  ].join('\n');
}

/** Names for the help, as many on a line as fit. */
export function nameLines(names: readonly string[]): string[] {
  const lines: string[] = [];
  let line = ' ';
  for (const name of names) {
    if (line.length + 1 + name.length > 118) {
      lines.push(line);
      line = ' ';
    }
    line += ` ${name}`;
  }
  return [...lines, line];
}

export function generalHelp(commands: readonly CommandSpec[], notes: readonly string[]): string {
  return [
    'usage: pgdat COMMAND [OPTIONS]',
    '',
    'An emulated machine, its firmware, and the boot of Linux 6.1 on it, from e820 and SRAT to zones and free lists.',
    '',
    ...columns(commands.map((command) => [command.name, command.summary])),
    '',
    ...notes,
    '',
  ].join('\n');
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
