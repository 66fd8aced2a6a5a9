// Runs one recorded case of any kind and says the first thing that differs.

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MachineConfig } from '../../emu/config/machine_config.ts';
import { parseQemuOptions } from '../../emu/config/qemu_options.ts';
import type { FirmwareMode } from '../../firmware/install.ts';
import { recorder } from '../../kernel/config.ts';
import { bootLab, type Lab } from '../lab.ts';
import { readAllocCase } from './alloc_case.ts';
import { allocTopology, checkAlloc } from './alloc_check.ts';
import { checkZones } from './alloc_sound.ts';
import { type BootCase, readBootCase } from './boot_case.ts';
import { compareFirmware, compareKernel, noSnapshots, takeSnapshots } from './boot_check.ts';
import { type CaseFile, readCaseFile } from './case_file.ts';
import { type Difference, differenceText } from './compare.ts';
import { CaseError } from './fields.ts';
import { type RealMachine, readRealMachine } from './real_case.ts';
import { compareRealMachine, realMachineCmdline, realMachineKernel } from './real_check.ts';
import { realMachineConfig } from './real_config.ts';

/** @returns null when all agrees, else what does not, in one line */
export function checkCase(file: CaseFile, firmware: FirmwareMode): string | null {
  try {
    switch (file.kind) {
      case 'boot':
        return textOf(checkBoot(readBootCase(file.fields), firmware));
      case 'real machine':
        return textOf(checkRealMachine(readRealMachine(file.fields), firmware));
      case 'alloc':
        return textOf(checkAllocFile(file));
    }
  } catch (error) {
    if (error instanceof CaseError) return error.message;
    throw error;
  }
}

function checkAllocFile(file: CaseFile): Difference | null {
  const alloc = readAllocCase(file.fields);
  checkZones(alloc);
  return checkAlloc(alloc, allocTopology(alloc, findBootCase(file)));
}

/**
 * The boot that an allocation case was recorded after: of the same name, in the folder `boot` beside the case's own, in
 * the case's own, or among the recordings of this project. null: there is none.
 */
function findBootCase({ name, path }: CaseFile): BootCase | null {
  const beside = [join(dirname(path), '..', 'boot'), dirname(path)];
  // From the bundle in build/, and from the source.
  const golden = ['../test/golden/boot', '../../test/golden/boot'].map((at) =>
    fileURLToPath(new URL(at, import.meta.url)),
  );
  for (const folder of [...beside, ...golden]) {
    const boot_path = join(folder, `${name}.json`);
    if (!existsSync(boot_path)) continue;
    const boot = readCaseFile(boot_path);
    if (boot.kind === 'boot') return readBootCase(boot.fields);
  }
  return null;
}

const textOf = (difference: Difference | null): string | null =>
  difference === null ? null : differenceText(difference);

export function checkBoot(boot: BootCase, firmware: FirmwareMode): Difference | null {
  const snapshots = noSnapshots();
  let reported: Difference | null = null;
  const lab = bootLab({
    machine: machineOf(boot),
    kernel: recorder,
    cmdline: boot.cmdline,
    firmware,
    recorded: boot.reserved,
    onFirmwareDone: (machine, boot_params) => {
      reported = compareFirmware(boot, machine.ram, boot_params);
    },
    afterStage: (stage, k) => takeSnapshots(snapshots, stage, k),
  });
  try {
    return reported ?? unfinished(lab) ?? compareKernel(boot, snapshots, lab.kernel);
  } finally {
    lab.machine.close();
  }
}

/** The machine of the case's QEMU options, with the tables that were put in place of what those make. */
function machineOf(boot: BootCase): MachineConfig {
  const parsed = parseQemuOptions(boot.qemu);
  if ('errors' in parsed) throw new CaseError(`qemu: ${parsed.errors.join('; ')}`);
  const acpi = Object.fromEntries(boot.acpi_overridden.map((name) => [name, boot.acpi[name]]));
  return { ...parsed.config, acpi: { ...parsed.config.acpi, ...acpi } };
}

export function checkRealMachine(machine: RealMachine, firmware: FirmwareMode): Difference | null {
  const lab = bootLab({
    machine: realMachineConfig(machine),
    kernel: realMachineKernel(machine),
    cmdline: realMachineCmdline(machine),
    firmware,
    // The layout is all there is to compare: free lists of a machine that ran for a while are not in its log.
    until: 'build_all_zonelists',
  });
  try {
    return unfinished(lab) ?? compareRealMachine(machine, lab.kernel);
  } finally {
    lab.machine.close();
  }
}

const unfinished = ({ stopped }: Lab): Difference | null =>
  stopped === null ? null : { where: 'boot', expected: 'to finish', found: `${stopped.name}: ${stopped.message}` };
