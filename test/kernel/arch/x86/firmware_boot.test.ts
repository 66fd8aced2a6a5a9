// Bad firmware and the rest of the boot: it goes on to the free lists, or ends as a real 6.1.192 ended.

import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { start_kernel } from '../../../../kernel/init/main.ts';
import { KernelPanic } from '../../../../kernel/lib/bug.ts';
import { FIRMWARE } from '../../../support/acpi.ts';
import { bootKernel, dmesg, pcMap } from '../../../support/boot.ts';
import { allCases } from '../../../support/firmware_cases.ts';
import { GiB } from '../../../support/hw.ts';

const recording = JSON.parse(readFileSync(new URL('../../../golden/firmware/log.json', import.meta.url), 'utf8')) as {
  cases: Record<string, { lines: string[] }>;
};

/** The whole boot: its log, and whether it panicked. */
function wholeBoot(name: string): { log: string[]; panicked: boolean } {
  const { firmware, numa } = allCases.find((test) => test.name === name)!;
  const at = `0x${FIRMWARE.toString(16)}`;
  const cmdline = `acpi_rsdp=${at} memmap=2M$${at}${numa === undefined ? '' : ` numa=${numa}`}`;
  const k = bootKernel({ e820: pcMap(2 * GiB), cmdline });
  for (const [address, bytes] of firmware) k.hw.ram.write(address, Uint8Array.from(bytes));
  try {
    start_kernel(k);
    return { log: dmesg(k), panicked: false };
  } catch (error) {
    if (!(error instanceof KernelPanic)) throw error;
    return { log: dmesg(k), panicked: true };
  }
}

it.each([
  'no RSDT',
  'RSDT of 4 GiB',
  'SRAT with a bad checksum',
  'a table of no length',
  'SRAT cut off in an entry',
  'an entry of no length',
  'overlap',
  'uncovered',
  'backwards',
  'memoryless node',
  'a node of 1 MiB',
  'diagonal of 11',
  'MADT entry of no length',
  'numa=fake=5:10,11,12',
])('%s: memory is handed over', (name) => {
  const { log, panicked } = wholeBoot(name);
  expect(panicked).toBe(false);
  expect(log.filter((line) => line.startsWith('Memory: '))).toHaveLength(1);
});

it('a bad checksum is reported late', () => {
  const { log } = wholeBoot('SRAT with a bad checksum');
  const warning =
    'ACPI BIOS Warning (bug): Incorrect checksum in table [SRAT] - 0x55, should be 0x80 (20220331/tbprint-180)';
  expect(log.indexOf(warning)).toBe(log.indexOf('ACPI: Core revision 20220331') + 1);
});

it.each([
  // Memory that no node has, but too little of it for the SRAT to be refused.
  ['1 MiB less a page uncovered'],
  ['large SLIT cut off after a page'],
])('%s: the end', (name) => {
  const { log, panicked } = wholeBoot(name);
  expect(panicked).toBe(true);
  const bug = (lines: readonly string[]): readonly string[] => {
    const from = lines.findIndex((line) => line.startsWith('BUG: '));
    return lines.slice(from, from + 4);
  };
  expect(bug(log)).toEqual(bug(recording.cases[name]!.lines));
});
