// What tools/qemu-srat.mjs needs of the project, in one bundle: the tables of a machine, QEMU's command line for it, and
// what our own kernel makes of it.

import { bootLab } from '../../cli/lab.ts';
import type { MachineConfig } from '../../emu/config/machine_config.ts';
import { parseQemuOptions } from '../../emu/config/qemu_options.ts';
import { acpiTables, type PlacedTable } from '../../firmware/acpi/tables.ts';
import { debian } from '../../kernel/config.ts';
import { machineArguments } from './arguments.ts';
import { type NumaReport, reportOfKernel } from './report.ts';

export { differences, linesOf, readSections, reportOfGuest } from './report.ts';

export interface Machine {
  /** SRAT and SLIT, those that the machine has. */
  readonly tables: readonly PlacedTable[];
  readonly qemuArguments: readonly string[];
  readonly report: NumaReport;
}

/** @throws Error if our kernel does not come up */
export function machineOf(argv: readonly string[]): Machine | { readonly errors: readonly string[] } {
  const parsed = parseQemuOptions(argv);
  if ('errors' in parsed) return parsed;
  const { config } = parsed;
  const tables = acpiTables(config).tables.filter(({ name }) => name === 'SRAT' || name === 'SLIT');
  return { tables, qemuArguments: machineArguments(argv, config), report: boot(config) };
}

function boot(machine: MachineConfig): NumaReport {
  const { kernel, stopped } = bootLab({ machine, kernel: debian, cmdline: '', firmware: 'none' });
  if (stopped !== null) throw new Error(`our kernel stopped: ${stopped.message}`);
  return reportOfKernel(kernel);
}
