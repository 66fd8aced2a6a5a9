// Every recorded boot, from boot_params and ACPI tables in RAM to the running system, without firmware of our own: the
// map and the tables are the recording's, laid where SeaBIOS laid them.

import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type BootCase, readBootCase } from '../../../cli/oracle/boot_case.ts';
import { compareKernel, noSnapshots, takeSnapshots } from '../../../cli/oracle/boot_check.ts';
import { readCaseFile } from '../../../cli/oracle/case_file.ts';
import { differenceText } from '../../../cli/oracle/compare.ts';
import { recorder } from '../../../kernel/config.ts';
import { stages } from '../../../kernel/init/main.ts';
import { layOut } from '../../support/acpi.ts';
import { bootKernel, type E820Line } from '../../support/boot.ts';

const folder = new URL('../../golden/boot/', import.meta.url).pathname;
const TYPES: Readonly<Record<string, number>> = { usable: 1, reserved: 2 };

function bootOf(boot: BootCase) {
  const e820 = boot.e820.map(({ start, end, type }): E820Line => [Number(start), Number(end) + 1, TYPES[type]!]);
  // SeaBIOS keeps tables in the reserved range at the end of low RAM.
  const at = e820.find(
    ([start, end, type]) => type === 2 && start > 0x100000 && Number(end) - Number(start) < 0x40000,
  )![0];
  const tables = Object.values(boot.acpi).flatMap((bytes) => (bytes === null ? [] : [[...bytes]]));
  const k = bootKernel({
    e820,
    tables: [{ start: Number(at), end: Number(at) + 0x20000 }],
    cmdline: boot.cmdline,
    config: recorder,
    recorded: boot.reserved,
  });
  for (const [pa, bytes] of layOut(tables, { rsdp: 0xf59b0, at: Number(at) }))
    k.hw.ram.write(pa, Uint8Array.from(bytes));
  return k;
}

test.each(readdirSync(folder))('%s', (name) => {
  const boot = readBootCase(readCaseFile(folder + name).fields);
  const k = bootOf(boot);
  const snapshots = noSnapshots();
  for (const { name: stage, run } of stages) {
    run(k);
    takeSnapshots(snapshots, stage, k);
  }
  const difference = compareKernel(boot, snapshots, k);
  expect(difference === null ? null : differenceText(difference)).toBeNull();
});
