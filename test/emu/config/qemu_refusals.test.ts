// What QEMU 7.2 said to each command line (test/golden/qemu/refusals.json, recorded by tools/qemu-refusals.mjs) is what
// we say: a line that it takes we take, the error that it stops at is among ours, and its warnings are ours.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseQemuOptions, splitOptions } from '../../../emu/config/qemu_options.ts';

interface Row {
  readonly options: string;
  readonly stderr: string;
}

const rows = JSON.parse(
  readFileSync(new URL('../../golden/qemu/refusals.json', import.meta.url), 'utf8'),
) as readonly Row[];

/** Messages that are about the engine or the host, not about the machine. */
const NOT_OURS = [
  /TCG doesn't support/,
  /AMD CPU doesn't support hyperthreading/,
  /topoext/,
  /irqchip/,
  /on hex numbers/,
];

/** Messages span lines; a new one starts where a line names an option, or nothing of the message before it goes on. */
const CONTINUED = /^(Please use |Optional suffix|and exabytes|Use -numa node,memdev|Identifiers consist)/;

function messages(stderr: string): string[] {
  const found: string[] = [];
  for (const line of stderr === '' ? [] : stderr.split('\n')) {
    if (CONTINUED.test(line)) found.push(`${found.pop()}\n${line}`);
    else found.push(line);
  }
  return found.filter((message) => !NOT_OURS.some((pattern) => pattern.test(message)));
}

const isWarning = (message: string): boolean => /(^|: )warning: /.test(message);

const cases = rows.map(({ options, stderr }) => {
  const said = messages(stderr).filter((message) => !/^Use -machine help/.test(message));
  return {
    options,
    warnings: said.filter(isWarning).map((message) => message.replace('warning: ', '')),
    errors: said.filter((message) => !isWarning(message)),
    parsed: parseQemuOptions(splitOptions(options)),
  };
});

describe('a command line that QEMU refuses', () => {
  test.each(cases.filter(({ errors }) => errors.length > 0))('is refused in its words: $options', (row) => {
    const ours = 'errors' in row.parsed ? row.parsed.errors : [];
    expect(ours.map((text) => text.replace(/\nThe machines are .*/, ''))).toContain(row.errors[0]);
  });
});

describe('a command line that QEMU takes', () => {
  test.each(cases.filter(({ errors }) => errors.length === 0))('is taken, with its warnings: $options', (row) => {
    expect(row.parsed).toHaveProperty('warnings', row.warnings);
  });
});
