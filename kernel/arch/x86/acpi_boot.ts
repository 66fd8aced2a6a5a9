// ACPI's part in setting up the architecture (Linux: arch/x86/kernel/acpi/boot.c): the tables are found and kept, the
// MADT's CPUs get numbers, HPET and power management timer are noted. Interrupt routing is in acpi_irq.ts.
// ACPI 6.5 section 5.2.12 (MADT).
//
// Left out: DMI quirks, the choice of an APIC driver, waking CPUs through a mailbox, boot graphics, serial console
// redirection. pr_debug() lines are off, as in Linux.

import { SMP_CACHE_BYTES } from '../../include/memblock.ts';
import { EINVAL, ENODEV } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { panic } from '../../lib/bug.ts';
import { pr_err, pr_info, pr_warn } from '../../lib/printk.ts';
import { memblock_alloc } from '../../mm/memblock_alloc.ts';
import { disable_acpi } from './acpi.ts';
import {
  acpi_parse_madt_ioapic_entries,
  acpi_set_irq_model_ioapic,
  BAD_MADT_ENTRY,
  print_madt_entry,
} from './acpi_irq.ts';
import { type AcpiMapping, acpi_os_map_memory } from './acpi_map.ts';
import {
  acpi_table_parse,
  acpi_table_parse_entries_array,
  acpi_table_parse_madt,
  type Entry,
  for_each_entry,
  SIZEOF_MADT,
  subtable_proc,
} from './acpi_subtables.ts';
import { ACPI_HEADER_SIZE, acpi_get_table, acpi_get_table_desc } from './acpi_tables.ts';
import { apic_id_valid, generic_processor_info, MAX_LOCAL_APIC, register_lapic_address } from './cpu.ts';

// enum acpi_madt_type
const LOCAL_APIC = 0;
const LOCAL_APIC_NMI = 4;
const LOCAL_APIC_OVERRIDE = 5;
const LOCAL_SAPIC = 7;
const LOCAL_X2APIC = 9;
const LOCAL_X2APIC_NMI = 10;

const MADT_ENABLED = 1;
const MADT_ONLINE_CAPABLE = 2;

/** What has to be known before memory is given to nodes. */
export function early_acpi_boot_init(k: Kernel): void {
  if (k.acpi.acpi_disabled) return;
  check_multiple_madt(k);
  if (acpi_blacklisted(k)) {
    if (k.acpi.acpi_force) {
      pr_warn(k, 'ACPI: acpi=force override');
    } else {
      pr_warn(k, 'ACPI: Disabling ACPI support');
      disable_acpi(k);
      return;
    }
  }
  early_acpi_process_madt(k);
}

export function acpi_boot_init(k: Kernel): void {
  if (k.acpi.acpi_disabled) return;
  acpi_table_parse(k, 'FACP', acpi_parse_fadt);
  acpi_process_madt(k);
  acpi_table_parse(k, 'HPET', acpi_parse_hpet);
}

function check_multiple_madt(k: Kernel): void {
  if (acpi_get_table_desc(k, 'APIC', 2) === null) {
    k.acpi.acpi_apic_instance = 0;
    return;
  }
  const using = k.acpi.acpi_apic_instance;
  pr_warn(k, `ACPI: BIOS bug: multiple APIC/MADT found, using ${using}`);
  const other = `"acpi_apic_instance=${using !== 0 ? 0 : 2}"`;
  pr_warn(k, `ACPI: If ${other} works better, notify linux-acpi@vger.kernel.org`);
}

const blacklist = [
  { oem_id: 'PTLTD ', oem_table_id: '  DSDT  ', oem_revision: 0x06040000, reason: 'Multiple problems' },
  { oem_id: 'SONY  ', oem_table_id: 'U0      ', oem_revision: 0x20010313, reason: 'ACPI driver problem' },
  {
    oem_id: 'INT440',
    oem_table_id: 'SYSFexxx',
    oem_revision: 0x00001001,
    reason: 'Does not use _REG to protect EC OpRegions',
  },
  { oem_id: 'IBM   ', oem_table_id: 'TP600E  ', oem_revision: 0x00000105, reason: 'Incorrect _ADR' },
] as const;

/** Is the DSDT one of those that are known not to work? (Linux: drivers/acpi/blacklist.c) */
function acpi_blacklisted(k: Kernel): boolean {
  const desc = acpi_get_table_desc(k, 'DSDT');
  const dsdt = desc === null ? null : acpi_os_map_memory(k, desc.address, ACPI_HEADER_SIZE);
  if (dsdt === null) return false;
  const row = blacklist.find(
    (bad) =>
      bad.oem_id === dsdt.text(10, 6) && bad.oem_table_id === dsdt.text(16, 8) && dsdt.u32(24) <= bad.oem_revision,
  );
  if (row === undefined) return false;
  const revision = `0x${row.oem_revision.toString(16)}`;
  const system = `Vendor "${row.oem_id}" System "${row.oem_table_id}" Revision ${revision}`;
  pr_err(k, `ACPI: ${system} has a known ACPI BIOS problem.`);
  pr_err(k, `ACPI: Reason: ${row.reason}. This is a non-recoverable error`);
  return true;
}

function acpi_parse_madt(k: Kernel, madt: AcpiMapping): void {
  const address = madt.u32(36);
  if (address !== 0) k.acpi.acpi_lapic_addr = BigInt(address);
  // The online capable bit came with ACPI 6.3.
  const { revision, minor_revision } = k.acpi.FADT ?? { revision: 0, minor_revision: 0 };
  if (revision > 6 || (revision === 6 && minor_revision >= 3)) k.acpi.acpi_support_online_capable = true;
}

function invalid_madt(k: Kernel): void {
  pr_err(k, 'ACPI: Invalid BIOS MADT, disabling ACPI');
  disable_acpi(k);
}

/** Looks for nothing but the local APICs' address. */
function early_acpi_process_madt(k: Kernel): void {
  if (!acpi_table_parse(k, 'APIC', acpi_parse_madt)) return;
  const count = acpi_table_parse_madt(k, LOCAL_APIC_OVERRIDE, (_, entry) => {
    if (BAD_MADT_ENTRY(entry, 12)) return -EINVAL;
    print_madt_entry(k, entry);
    k.acpi.acpi_lapic_addr = entry.u64(4);
    return 0;
  });
  if (count < 0) pr_err(k, 'ACPI: Error parsing LAPIC address override entry');
  else register_lapic_address(k, listed_apicids(k));
  if (count === 0) {
    k.acpi.acpi_lapic = true;
    k.acpi.smp_found_config = true;
  }
  if (count === -EINVAL) invalid_madt(k);
}

/** APIC ids of the CPUs that the MADT calls enabled, in its order. Not a pass that Linux makes: it says nothing. */
function listed_apicids(k: Kernel): number[] {
  const ids: number[] = [];
  const madt = acpi_get_table(k, 'APIC', k.acpi.acpi_apic_instance);
  if (madt === null) return ids;
  for (const entry of for_each_entry(madt, SIZEOF_MADT)) {
    const enabled = (at: number): boolean => (entry.u32(at) & MADT_ENABLED) !== 0;
    if (entry.type === LOCAL_APIC && !BAD_MADT_ENTRY(entry, 8) && enabled(4)) ids.push(entry.u8(3));
    if (entry.type === LOCAL_X2APIC && !BAD_MADT_ENTRY(entry, 16) && enabled(8)) ids.push(entry.u32(4));
  }
  return ids;
}

function acpi_process_madt(k: Kernel): void {
  if (acpi_table_parse(k, 'APIC', acpi_parse_madt)) {
    let error = acpi_parse_madt_lapic_entries(k);
    if (error === 0) {
      k.acpi.acpi_lapic = true;
      error = acpi_parse_madt_ioapic_entries(k);
      if (error === 0) {
        acpi_set_irq_model_ioapic(k);
        k.acpi.smp_found_config = true;
      }
    }
    if (error === -EINVAL) invalid_madt(k);
  } else if (k.acpi.smp_found_config) {
    pr_warn(k, 'ACPI: No APIC-table, disabling MPS');
    k.acpi.smp_found_config = false;
  }
  if (k.acpi.acpi_lapic && k.acpi.acpi_ioapic) {
    pr_info(k, 'ACPI: Using ACPI (MADT) for SMP configuration information');
  } else if (k.acpi.acpi_lapic) {
    pr_info(k, 'ACPI: Using ACPI for processor (LAPIC) configuration information');
  }
}

/** Gives numbers to the CPUs. @returns 0 or -errno */
function acpi_parse_madt_lapic_entries(k: Kernel): number {
  let count = acpi_table_parse_madt(k, LOCAL_SAPIC, acpi_parse_sapic, MAX_LOCAL_APIC);
  let x2count = 0;
  if (count === 0) {
    const lapic = subtable_proc(LOCAL_APIC, acpi_parse_lapic);
    const x2apic = subtable_proc(LOCAL_X2APIC, acpi_parse_x2apic);
    const ret = acpi_table_parse_entries_array(k, 'APIC', SIZEOF_MADT, [lapic, x2apic], MAX_LOCAL_APIC);
    if (ret < 0) {
      pr_err(k, 'ACPI: Error parsing LAPIC/X2APIC entries');
      return ret;
    }
    count = lapic.count;
    x2count = x2apic.count;
  }
  if (count === 0 && x2count === 0) {
    pr_err(k, 'ACPI: No LAPIC entries present');
    return -ENODEV;
  }
  if (count < 0) {
    pr_err(k, 'ACPI: Error parsing LAPIC entry');
    return count;
  }
  x2count = acpi_table_parse_madt(k, LOCAL_X2APIC_NMI, (_, entry) => parse_nmi(k, entry, 12, 8));
  count = acpi_table_parse_madt(k, LOCAL_APIC_NMI, (_, entry) => parse_nmi(k, entry, 6, 5));
  if (count < 0 || x2count < 0) {
    pr_err(k, 'ACPI: Error parsing LAPIC NMI entry');
    return count;
  }
  return 0;
}

/** @param lint offset of the pin that non-maskable interrupts come in on */
function parse_nmi(k: Kernel, entry: Entry, size: number, lint: number): number {
  if (BAD_MADT_ENTRY(entry, size)) return -EINVAL;
  print_madt_entry(k, entry);
  if (entry.u8(lint) !== 1) pr_warn(k, 'ACPI: NMI not connected to LINT 1!');
  return 0;
}

function acpi_register_lapic(k: Kernel, id: number, acpiid: number, enabled: boolean): void {
  if (id >= MAX_LOCAL_APIC) {
    pr_info(k, 'ACPI: skipped apicid that is too big');
    return;
  }
  if (!enabled) {
    k.cpus.disabled_cpus++;
    return;
  }
  const cpu = generic_processor_info(k, id);
  if (cpu >= 0) k.cpus.x86_cpu_to_acpiid[cpu] = acpiid;
}

/** A CPU that is off and, says ACPI 6.3, can never be on is not counted. */
const acpi_is_processor_usable = (k: Kernel, lapic_flags: number): boolean =>
  (lapic_flags & MADT_ENABLED) !== 0 ||
  !k.acpi.acpi_support_online_capable ||
  (lapic_flags & MADT_ONLINE_CAPABLE) !== 0;

function acpi_parse_sapic(k: Kernel, entry: Entry): number {
  if (BAD_MADT_ENTRY(entry, 17)) return -EINVAL;
  acpi_register_lapic(k, (entry.u8(3) << 8) | entry.u8(4), entry.u8(2), (entry.u32(8) & MADT_ENABLED) !== 0);
  return 0;
}

function acpi_parse_lapic(k: Kernel, entry: Entry): number {
  if (BAD_MADT_ENTRY(entry, 8)) return -EINVAL;
  const id = entry.u8(3);
  const lapic_flags = entry.u32(4);
  if (id === 0xff || !acpi_is_processor_usable(k, lapic_flags)) return 0;
  acpi_register_lapic(k, id, entry.u8(2), (lapic_flags & MADT_ENABLED) !== 0);
  return 0;
}

function acpi_parse_x2apic(k: Kernel, entry: Entry): number {
  if (BAD_MADT_ENTRY(entry, 16)) return -EINVAL;
  const apic_id = entry.u32(4);
  const lapic_flags = entry.u32(8);
  if (apic_id === 0xffffffff || !acpi_is_processor_usable(k, lapic_flags)) return 0;
  const enabled = (lapic_flags & MADT_ENABLED) !== 0;
  if (!apic_id_valid(k, apic_id)) {
    if (enabled) pr_warn(k, 'ACPI: x2apic entry ignored');
    return 0;
  }
  acpi_register_lapic(k, apic_id, entry.u32(12), enabled);
  return 0;
}

/** Where the power management timer is. */
function acpi_parse_fadt(k: Kernel): void {
  const fadt = k.acpi.FADT;
  if (fadt === null) return;
  let port = fadt.pm_timer_block;
  if (fadt.revision >= 3) {
    if (fadt.xpm_timer_block.space_id !== 1) return;
    port = Number(BigInt.asUintN(32, fadt.xpm_timer_block.address)) || port;
  }
  k.acpi.pmtmr_ioport = port;
  if (port !== 0) pr_info(k, `ACPI: PM-Timer IO Port: 0x${port.toString(16)}`);
}

function acpi_parse_hpet(k: Kernel, table: AcpiMapping): void {
  if (table.u8(40) !== 0) {
    pr_warn(k, 'ACPI: HPET timers must be located in memory.');
    return;
  }
  const id = `HPET id: 0x${table.u32(36).toString(16)} base:`;
  const address = table.u64(44);
  if (address === 0n) {
    pr_warn(k, `ACPI: ${id} 0x0 is invalid`);
    return;
  }
  if (address === 0xfed0000000000000n) {
    const hint = 'try hpet=force on the kernel command line to fix it up to 0xfed00000.';
    pr_warn(k, `ACPI: ${id} 0xfed0000000000000 is bogus, ${hint}`);
    return;
  }
  k.acpi.hpet_address = address;
  pr_info(k, `ACPI: ${id} 0x${address.toString(16)}`);
  // The struct resource and name that /proc/iomem would show.
  const size = 64 + 9;
  if (memblock_alloc(k, size, SMP_CACHE_BYTES, 'acpi_parse_hpet') === 0) {
    panic(k, `acpi_parse_hpet: Failed to allocate ${size} bytes`);
  }
}
