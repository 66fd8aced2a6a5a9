// Finding the firmware's tables (Linux: drivers/acpi/tables.c acpi_locate_initial_tables(),
// acpi_reserve_initial_tables(); ACPICA: drivers/acpi/acpica/tbxfroot.c, tbxface.c, tbutils.c, tbinstal.c, tbdata.c).
//
// What Linux checks is little: the RSDP's checksums where it searches for one, the length of the RSDT or XSDT; other
// checksums only make it complain, and those of most tables it does not look at unless told to.

import { PHYS_ADDR_MAX } from '../../include/memblock.ts';
import type { Kernel } from '../../kernel.ts';
import { hex, pr_info } from '../../lib/printk.ts';
import { memblock_reserve } from '../../mm/memblock.ts';
import { ACPI_MAX_TABLES, type acpi_table_desc, disable_acpi } from './acpi.ts';
import { acpi_tb_create_local_fadt } from './acpi_fadt.ts';
import { AcpiMapping, acpi_os_map_memory } from './acpi_map.ts';
import {
  ACPI_CA_VERSION,
  acpi_bios_error,
  acpi_error,
  acpi_tb_checksum,
  acpi_tb_print_table_header,
  acpi_tb_verify_checksum,
  cString,
  upper,
} from './acpi_print.ts';
import { boot_params } from './boot_params.ts';

/** sizeof(struct acpi_table_header). */
export const ACPI_HEADER_SIZE = 36;
const RSDP_SIZE = 36;
const LONGEST_TABLE = 0x1000000;
const EBDA_PTR = 0x40e;
const EBDA_WINDOW_SIZE = 1024;
const HI_RSDP_WINDOW_BASE = 0xe0000;
const HI_RSDP_WINDOW_SIZE = 0x20000;

/** Finds the tables and reserves their memory. Without any, ACPI is off from here on. */
export function acpi_boot_table_init(k: Kernel): void {
  if (k.acpi.acpi_disabled) return;
  if (acpi_locate_initial_tables(k)) acpi_reserve_initial_tables(k);
  else disable_acpi(k);
}

/**
 * Verifies the tables that were not verified when they were found, now that any amount of memory can be mapped
 * (Linux: drivers/acpi/bus.c acpi_early_init(), ACPICA acpi_reallocate_root_table()). A bad checksum has no consequence.
 * Differs from Linux: what claims to be longer than any table is not looked at; mapping it would fail, as a rule.
 */
export function acpi_early_init(k: Kernel): void {
  if (k.acpi.acpi_disabled) return;
  pr_info(k, `ACPI: Core revision ${ACPI_CA_VERSION}`);
  for (const { address, length, verified } of k.acpi.initial_tables) {
    if (verified || length < ACPI_HEADER_SIZE || length > LONGEST_TABLE) continue;
    acpi_tb_verify_checksum(k, new AcpiMapping(k, address, BigInt(length)), length);
  }
}

/** @returns whether there are tables: without them ACPI is off */
function acpi_locate_initial_tables(k: Kernel): boolean {
  const verification = k.acpi.acpi_verify_table_checksum ? 'enabled' : 'disabled';
  pr_info(k, `ACPI: Early table checksum verification ${verification}`);
  k.acpi.initial_tables.length = 0;
  const rsdp = acpi_os_get_root_pointer(k);
  return rsdp !== 0n && acpi_tb_parse_root_table(k, rsdp);
}

/** Keeps the tables from being given away. As in Linux, one that claims to have no length hides those after it. */
function acpi_reserve_initial_tables(k: Kernel): void {
  for (const { address, length, signature } of k.acpi.initial_tables) {
    if (address === 0n || length === 0) break;
    const end = BigInt.asUintN(64, address + BigInt(length) - 1n);
    const what = cString(signature).padStart(4);
    pr_info(k, `ACPI: Reserving ${what} table memory at [mem ${hex(address)}-${hex(end)}]`);
    if (address < PHYS_ADDR_MAX) memblock_reserve(k, Number(address), length, 'acpi_reserve_initial_tables');
  }
}

/** The `instance`th table of a name; 0 and 1 both mean the first. */
export function acpi_get_table_desc(k: Kernel, signature: string, instance = 0): acpi_table_desc | null {
  const named = k.acpi.initial_tables.filter((desc) => desc.signature === signature);
  return named[Math.max(instance, 1) - 1] ?? null;
}

/** acpi_get_table(): the whole of it mapped; null if there is none or it cannot be mapped. */
export function acpi_get_table(k: Kernel, signature: string, instance = 0): AcpiMapping | null {
  const desc = acpi_get_table_desc(k, signature, instance);
  return desc === null ? null : acpi_os_map_memory(k, desc.address, desc.length);
}

/** The command line's word, then the boot loader's, which nobody checks; then a search. 0: there is none. */
function acpi_os_get_root_pointer(k: Kernel): bigint {
  if (k.acpi.acpi_rsdp !== 0n) return k.acpi.acpi_rsdp;
  const told = k.hw.ram.big64(k.hw.boot_params + boot_params.acpi_rsdp_addr);
  return told !== 0n ? told : acpi_find_root_pointer(k);
}

/** Searches the first KiB of the extended BIOS data area, then the BIOS's read-only memory. */
function acpi_find_root_pointer(k: Kernel): bigint {
  const ebda = k.hw.ram.u16(EBDA_PTR) << 4;
  const found =
    (ebda > 0x400 ? acpi_tb_scan_memory_for_rsdp(k, ebda, EBDA_WINDOW_SIZE) : 0n) ||
    acpi_tb_scan_memory_for_rsdp(k, HI_RSDP_WINDOW_BASE, HI_RSDP_WINDOW_SIZE);
  if (found === 0n) acpi_bios_error(k, 'tbxfroot-210', 'A valid RSDP was not found');
  return found;
}

function acpi_tb_scan_memory_for_rsdp(k: Kernel, start: number, length: number): bigint {
  for (let pa = start; pa < start + length; pa += 16) {
    // "RSD ", first: a look at each paragraph must cost little.
    if (k.hw.ram.u32(pa) !== 0x20445352) continue;
    const rsdp = acpi_os_map_memory(k, BigInt(pa), RSDP_SIZE);
    if (rsdp !== null && acpi_tb_validate_rsdp(rsdp)) return BigInt(pa);
  }
  return 0n;
}

/** Signature and checksum, over 20 bytes, and from revision 2 on over all 36 as well. */
function acpi_tb_validate_rsdp(rsdp: AcpiMapping): boolean {
  if (rsdp.text(0, 8) !== 'RSD PTR ' || acpi_tb_checksum(rsdp, 20) !== 0) return false;
  return rsdp.u8(15) < 2 || acpi_tb_checksum(rsdp, RSDP_SIZE) === 0;
}

/** Reads the RSDT or XSDT that the RSDP names, and installs every table that it lists. */
function acpi_tb_parse_root_table(k: Kernel, rsdp_address: bigint): boolean {
  const rsdp = acpi_os_map_memory(k, rsdp_address, RSDP_SIZE);
  if (rsdp === null) return false;
  acpi_tb_print_table_header(k, rsdp);

  const use_xsdt = rsdp.u8(15) > 1 && rsdp.u64(24) !== 0n && !k.acpi.do_not_use_xsdt;
  const address = use_xsdt ? rsdp.u64(24) : BigInt(rsdp.u32(16));
  const entry_size = use_xsdt ? 8 : 4;

  const header = acpi_os_map_memory(k, address, ACPI_HEADER_SIZE);
  if (header === null) return false;
  acpi_tb_print_table_header(k, header);
  const length = header.u32(4);
  if (length < ACPI_HEADER_SIZE + entry_size) {
    acpi_bios_error(k, 'tbutils-289', `Invalid table length 0x${upper(length)} in RSDT/XSDT`);
    return false;
  }
  const table = acpi_os_map_memory(k, address, length);
  if (table === null) return false;
  acpi_tb_verify_checksum(k, table, length);

  const table_count = Math.floor((length - ACPI_HEADER_SIZE) / entry_size);
  let desc: acpi_table_desc | null = null;
  for (let i = 0; i < table_count; i++) {
    const at = ACPI_HEADER_SIZE + i * entry_size;
    const entry = use_xsdt ? table.u64(at) : BigInt(table.u32(at));
    if (entry === 0n) continue;
    const installed = acpi_tb_install_standard_table(k, entry);
    if (installed === null) continue;
    // With the list full, Linux takes the table that it installed last for this one.
    if (installed !== 'no room') desc = installed;
    if (desc?.signature === 'FACP') acpi_tb_parse_fadt(k, desc);
  }
  return true;
}

/** Installs a table and says so. Where tables are verified, one that is there already is not installed again. */
function acpi_tb_install_standard_table(k: Kernel, address: bigint): acpi_table_desc | 'no room' | null {
  const { initial_tables: tables, acpi_verify_table_checksum: verify } = k.acpi;
  const header = acpi_os_map_memory(k, address, ACPI_HEADER_SIZE);
  if (header === null) {
    acpi_error(k, 'tbinstal-115', `Could not acquire table length at ${upper(address, 16)}`);
    return null;
  }
  const length = header.u32(4);
  const desc: acpi_table_desc = { address, length, signature: header.text(0, 4), verified: verify };
  if (verify) {
    const whole = acpi_os_map_memory(k, address, length);
    if (whole === null) return null;
    acpi_tb_verify_checksum(k, whole, length);
    const twin = tables.find((other) => other.verified && is_identical(k, whole, length, other));
    if (twin !== undefined) return twin;
  }
  if (tables.length >= ACPI_MAX_TABLES) {
    acpi_error(k, 'tbdata-598', 'Resize of Root Table Array is not allowed');
    return 'no room';
  }
  tables.push(desc);
  acpi_tb_print_table_header(k, header);
  return desc;
}

/** acpi_tb_compare_tables(). */
function is_identical(k: Kernel, table: AcpiMapping, length: number, other: acpi_table_desc): boolean {
  if (other.length !== length) return false;
  const mapped = acpi_os_map_memory(k, other.address, length);
  if (mapped === null) return false;
  for (let i = 0; i < length; i++) if (table.u8(i) !== mapped.u8(i)) return false;
  return true;
}

/** Reads the FADT and installs the tables that it alone points to: DSDT and FACS. */
function acpi_tb_parse_fadt(k: Kernel, desc: acpi_table_desc): void {
  const table = acpi_os_map_memory(k, desc.address, desc.length);
  if (table === null) return;
  acpi_tb_verify_checksum(k, table, desc.length);
  const fadt = acpi_tb_create_local_fadt(k, table, desc.length);
  k.acpi.FADT = fadt;
  acpi_tb_install_standard_table(k, fadt.Xdsdt);
  if (k.acpi.reduced_hardware) return;
  if (fadt.facs !== 0) acpi_tb_install_standard_table(k, BigInt(fadt.facs));
  if (fadt.Xfacs !== 0n) acpi_tb_install_standard_table(k, fadt.Xfacs);
}
