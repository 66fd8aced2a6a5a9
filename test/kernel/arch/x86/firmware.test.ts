// What Linux says to firmware that is wrong or unusual, and what it falls back to: every case against the log of a real
// 6.1.192 that was given the same bytes (tools/record-firmware.mjs).

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { numa_setup } from '../../../../kernel/arch/x86/numa.ts';
import type { Kernel } from '../../../../kernel/kernel.ts';
import { KernelPanic } from '../../../../kernel/lib/bug.ts';
import { FIRMWARE, machine, said, setUp } from '../../../support/acpi.ts';
import {
  type FirmwareCase,
  fakeCases,
  madtCases,
  rootCases,
  slitCases,
  sratCases,
  tableCases,
} from '../../../support/firmware_cases.ts';

interface Recording {
  readonly about: string;
  readonly cases: Readonly<Record<string, { readonly mp_table: boolean; readonly lines: readonly string[] }>>;
}
const recording = JSON.parse(
  readFileSync(new URL('../../../golden/firmware/log.json', import.meta.url), 'utf8'),
) as Recording;

const { hw } = machine({});

/** Boots to where the CPUs are counted, or to a panic. */
function boot({ firmware, numa, verify }: FirmwareCase): Kernel {
  const k = machine({ firmware, hw });
  k.acpi.acpi_rsdp = BigInt(FIRMWARE);
  k.acpi.acpi_verify_table_checksum = verify ?? false;
  if (numa !== undefined) numa_setup(k, numa);
  try {
    return setUp(k);
  } catch (error) {
    if (error instanceof KernelPanic) return k;
    throw error;
  }
}

/** The recorded machine had another table with CPUs and I/O APICs, for when ACPI has none: its lines are left out. */
const OF_MP_TABLE = /^(IOAPIC|address 0x|smpboot: Boot CPU)/;
const FOUND_MP_TABLE = /^ACPI: No APIC-table, disabling MPS$/;
/** One case is fatal to Linux later, where struct pages are made. */
const LATER = /^BUG: kernel NULL pointer dereference/;

function wanted(name: string): readonly string[] {
  const { lines, mp_table } = recording.cases[name]!;
  const later = lines.findIndex((line) => LATER.test(line));
  return (later < 0 ? lines : lines.slice(0, later)).filter(
    (line) => !FOUND_MP_TABLE.test(line) && !(mp_table && OF_MP_TABLE.test(line)),
  );
}

function found(test: FirmwareCase): string[] {
  const { lines, mp_table } = recording.cases[test.name]!;
  const fatal = lines.some((line) => LATER.test(line));
  return said(boot(test), new RegExp(recording.about))
    .map((line) => line.trimEnd())
    .filter((line) => !(mp_table && OF_MP_TABLE.test(line)))
    .filter((line) => !(fatal && line.startsWith('smpboot')));
}

describe.each([
  ['root table', rootCases],
  ['table', tableCases],
  ['SRAT', sratCases],
  ['SLIT', slitCases],
  ['MADT', madtCases],
  ['numa=', fakeCases],
])('%s', (_, cases) => {
  it.each(cases.map((test) => [test.name, test] as const))('%s', (name, test) => {
    expect(found(test)).toEqual(wanted(name));
  });
});
