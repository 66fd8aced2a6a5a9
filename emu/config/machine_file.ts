// A machine described in JSON: QEMU's options for the hardware, and what the firmware reports instead of what it would
// derive, right or wrong. docs/machine-file.md describes the format. It makes the same MachineConfig as options do; all
// that is wrong with a file is told at once, each line with the field, the value and its limit.

import { readFileSync } from 'node:fs';
import { JsonField } from './json_field.ts';
import type { MachineConfig } from './machine_config.ts';
import {
  MAX_TABLE_BYTES,
  readCorruption,
  readMadtCpus,
  readSlit,
  readSrat,
  readTables,
  tablesBound,
} from './machine_file_acpi.ts';
import { LOW_RAM_LIMIT, mapWarnings, ramBehind, readE820 } from './machine_file_map.ts';
import { hex } from './option_text.ts';
import { type ParsedOptions, parseQemuOptions, splitOptions } from './qemu_options.ts';

const FIELDS = ['about', 'qemu', 'machine', 'ram', 'cpus', 'e820', 'srat', 'slit', 'madt', 'tables'];
const MORE_FIELDS = ['xsdt', 'tablesAt', 'corrupt'];
/** Fields that describe a table's contents, and the table. */
const TABLE_OF = { srat: 'SRAT', slit: 'SLIT', madt: 'APIC' } as const;
const ONE_MIB = 0x100000;
/** What an argument list could hold. */
const MAX_OPTIONS = 0x10000;

/**
 * @param path named in front of each error and warning
 * @param at where the file is, should that not be its name
 */
export function readMachineFile(path: string, at: string = path): ParsedOptions {
  let text: string;
  try {
    text = readFileSync(at, 'utf8');
  } catch (error) {
    return { errors: [`${path}: cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`] };
  }
  return parseMachineFile(text, path);
}

export function parseMachineFile(text: string, path: string): ParsedOptions {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { errors: [`${path}: ${jsonProblem(text, (error as Error).message)}`] };
  }
  const parsed = machineFromJson(value);
  const named = (lines: readonly string[]) => lines.map((line) => `${path}: ${line}`);
  return 'errors' in parsed
    ? { errors: named(parsed.errors) }
    : { config: parsed.config, warnings: named(parsed.warnings) };
}

/** The engine's message ends with a position, counted from 0, or quotes the file. */
function jsonProblem(text: string, message: string): string {
  const position = /at position (\d+)/.exec(message)?.[1];
  const what = message.replace(/ in JSON at position .*| is not valid JSON$/s, '').replace(/\s+/g, ' ');
  const problem = `not JSON: ${what.charAt(0).toLowerCase()}${what.slice(1)}`;
  if (position === undefined) return problem;
  const lines = text.slice(0, Number(position)).split('\n');
  return `line ${lines.length}, column ${lines.at(-1)!.length + 1}: ${problem}`;
}

/** @param value what JSON.parse() made of a file; errors and warnings name fields only */
export function machineFromJson(value: unknown): ParsedOptions {
  const problems: string[] = [];
  const file = new JsonField(value, '', problems);
  if (!file.isObject) file.refuse('expected an object with the fields of a machine');
  else file.object([...FIELDS, ...MORE_FIELDS]);
  if (!file.isObject) return { errors: problems };
  const optional = <T>(key: string, read: (field: JsonField) => T): T | null => {
    const field = file.member(key);
    return field.present ? read(field) : null;
  };
  optional('about', (field) => field.text());
  const before = problems.length;
  const { argv, sized } = readHardware(file);
  const hardware = parseQemuOptions(argv);
  // What is wrong with a number that was refused here already is not told again.
  if ('errors' in hardware && problems.length === before) {
    const where = file.member('qemu').present ? 'qemu' : 'machine, ram, cpus';
    for (const line of hardware.errors) problems.push(`${where}: ${line.replaceAll('\n', '; ')}`);
  }

  const e820 = optional('e820', readE820);
  const firmware = {
    e820,
    srat: optional('srat', readSrat),
    slit: optional('slit', readSlit),
    madtCpus: optional('madt', readMadtCpus),
    acpi: optional('tables', readTables) ?? {},
    xsdt: file.member('xsdt').flag(),
  };
  for (const [key, table] of Object.entries(TABLE_OF)) {
    const given = file.member(key).present && file.member('tables').member(table).present;
    if (given) file.member(key).refuse(`tables.${table} already says all of that table`);
  }
  // What is left needs a machine to be checked against; a file with wrong hardware is read on with a machine of QEMU's.
  const base = 'errors' in hardware ? parseQemuOptions(['-M', 'pc']) : hardware;
  if ('errors' in base) return { errors: base.errors };
  const { config, warnings } = base;
  const layout = e820 === null ? config.layout : ramBehind(config.layout, sized, e820);
  const machine: MachineConfig = { ...config, ...firmware, layout };
  const size = tablesBound(machine);
  if (size > MAX_TABLE_BYTES) {
    problems.push(`tables: about ${size} bytes with all entries, the limit is ${MAX_TABLE_BYTES}`);
  }
  const finished: MachineConfig = {
    ...machine,
    tablesAt: optional('tablesAt', (field) => readTablesAt(field, machine)),
    corrupt: optional('corrupt', (field) => readCorruption(field, machine)) ?? machine.corrupt,
  };
  return problems.length > 0
    ? { errors: problems }
    : { config: finished, warnings: [...warnings, ...mapWarnings(e820 ?? [])] };
}

/** @returns QEMU's options, and whether they say how much RAM there is */
function readHardware(file: JsonField): { argv: string[]; sized: boolean } {
  const qemu = file.member('qemu');
  const [machine, ram, cpus] = [file.member('machine'), file.member('ram'), file.member('cpus')];
  if (qemu.present) {
    for (const field of [machine, ram, cpus]) if (field.present) field.refuse('qemu already describes the hardware');
    const argv = qemu.isText ? splitOptions(qemu.text()) : qemu.items(MAX_OPTIONS).map((item) => item.text());
    // An empty list would be the machine of `pgdat boot` without options.
    return { argv: ['-M', 'pc', ...argv], sized: argv.some((option) => /^--?m$/.test(option)) };
  }
  const argv = ['-M', machine.present ? machine.text() : 'pc'];
  if (ram.present) argv.push('-m', `${ram.uint()}B`);
  if (cpus.present) argv.push('-smp', `${cpus.uint()}`);
  return { argv, sized: ram.present };
}

function readTablesAt(field: JsonField, { layout }: MachineConfig): number {
  const at = field.number(LOW_RAM_LIMIT);
  if (at < ONE_MIB) field.refuse(`${hex(at)} is below the limit of ${hex(ONE_MIB)}`);
  else if (!layout.ram.some(({ start, end }) => start <= at && at < end)) field.refuse(`there is no RAM at ${hex(at)}`);
  return at;
}
