// How ACPICA prints (Linux: drivers/acpi/acpica/tbprint.c, utxferror.c, include/acpi/platform/aclinux.h).
// Errors name ACPICA's version and the place in its source, so we name the places of 6.1.192.

import type { Kernel } from '../../kernel.ts';
import { pr_err, pr_info, pr_warn } from '../../lib/printk.ts';
import type { AcpiMapping } from './acpi_map.ts';

export const ACPI_CA_VERSION = '20220331';

/** `%0nX`. */
export const upper = (value: number | bigint, digits = 1): string =>
  value.toString(16).toUpperCase().padStart(digits, '0');

/** @param where file and line, as "tbutils-289" */
export const acpi_error = (k: Kernel, where: string, text: string): void =>
  pr_err(k, `ACPI Error: ${text} (${ACPI_CA_VERSION}/${where})`);
export const acpi_bios_error = (k: Kernel, where: string, text: string): void =>
  pr_err(k, `ACPI BIOS Error (bug): ${text} (${ACPI_CA_VERSION}/${where})`);
export const acpi_bios_warning = (k: Kernel, where: string, text: string): void =>
  pr_warn(k, `ACPI BIOS Warning (bug): ${text} (${ACPI_CA_VERSION}/${where})`);

/** `%.Ns`: up to the first NUL. */
export const cString = (text: string): string => text.split('\0', 1)[0]!;

/** Linux's isprint() takes Latin-1. */
const fixed = (text: string): string => cString(text).replace(/[^\x20-\x7e\xa0-\xff]/g, '?');

/** `%-n.ns` of a field with what cannot be printed made '?'. */
const field = (table: AcpiMapping, offset: number, size: number): string =>
  fixed(table.text(offset, size)).padEnd(size);

/** The line that a table gets in the log. `address` is where it is, `table` its header. */
export function acpi_tb_print_table_header(k: Kernel, table: AcpiMapping): void {
  const address = `0x${upper(table.address, 16)}`;
  if (table.text(0, 4) === 'FACS') {
    pr_info(k, `ACPI: FACS ${address} ${upper(table.u32(4), 6)}`);
    return;
  }
  if (table.text(0, 8) === 'RSD PTR ') {
    const revision = table.u8(15);
    const length = upper(revision > 0 ? table.u32(20) : 20, 6);
    const version = String(revision).padStart(2, '0');
    pr_info(k, `ACPI: RSDP ${address} ${length} (v${version} ${field(table, 9, 6)})`);
    return;
  }
  const oem = `${field(table, 10, 6)} ${field(table, 16, 8)} ${upper(table.u32(24), 8)}`;
  const compiler = `${field(table, 28, 4)} ${upper(table.u32(32), 8)}`;
  const version = String(table.u8(8)).padStart(2, '0');
  const length = upper(table.u32(4), 6);
  pr_info(k, `ACPI: ${field(table, 0, 4)} ${address} ${length} (v${version} ${oem} ${compiler})`);
}

/** Sum of `length` bytes modulo 256. */
export function acpi_tb_checksum(table: AcpiMapping, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) sum += table.u8(i);
  return sum & 0xff;
}

/** Says so if the checksum is wrong. That is all that comes of it: ACPI_CHECKSUM_ABORT is off in Linux. */
export function acpi_tb_verify_checksum(k: Kernel, table: AcpiMapping, length: number): void {
  const signature = table.text(0, 4);
  if (signature === 'S3PT' || signature === 'FACS') return;
  const checksum = acpi_tb_checksum(table, length);
  if (checksum === 0) return;
  const found = table.u8(9);
  const wanted = upper((found - checksum) & 0xff, 2);
  const text = `Incorrect checksum in table [${cString(signature)}] - 0x${upper(found, 2)}, should be 0x${wanted}`;
  acpi_bios_warning(k, 'tbprint-180', text);
}
