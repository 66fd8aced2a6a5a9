// I/O APICs and interrupt source overrides of the MADT (Linux: arch/x86/kernel/acpi/boot.c,
// arch/x86/kernel/apic/io_apic.c mp_register_ioapic(); printing: drivers/acpi/tables.c
// acpi_table_print_madt_entry()). Nothing of ours uses interrupts: this is for the log, and to know bad tables.

import { EEXIST, EINVAL, ENODEV, ENOSPC } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { pr_err, pr_info, pr_warn } from '../../lib/printk.ts';
import { INVALID_ACPI_IRQ, NR_IRQS_LEGACY } from './acpi.ts';
import { acpi_table_parse_madt, type Entry } from './acpi_subtables.ts';

const IO_APIC = 1;
const INTERRUPT_OVERRIDE = 2;
const NMI_SOURCE = 3;
const LOCAL_APIC_NMI = 4;
const LOCAL_APIC_OVERRIDE = 5;
const LOCAL_X2APIC_NMI = 10;

const MAX_IO_APICS = 128;
// Differs from Linux: no I/O APIC is emulated, so these are not read from it. They are QEMU's.
const IO_APIC_VERSION = 0x20;
const IO_APIC_ENTRIES = 24;

const POLARITY_MASK = 0x3;
const TRIGGER_MASK = 0xc;
const polarities = ['dfl', 'high', 'res', 'low'] as const;
const triggers = ['dfl', 'edge', 'res', 'level'] as const;
const how = (flags: number): string => `${polarities[flags & POLARITY_MASK]} ${triggers[(flags & TRIGGER_MASK) >> 2]}`;
const x = (value: number | bigint, digits = 1): string => `0x${value.toString(16).padStart(digits, '0')}`;

/** The entry does not fit into the table, or says that it is shorter than its type is. */
export const BAD_MADT_ENTRY = (entry: Entry, size: number): boolean => entry.room < size || entry.length < size;

/** Those types of entries that get a line in the log. */
export function print_madt_entry(k: Kernel, entry: Entry): void {
  const info = (text: string): void => pr_info(k, `ACPI: ${text}`);
  switch (entry.type) {
    case INTERRUPT_OVERRIDE: {
      const flags = entry.u16(8);
      const irq = `bus ${entry.u8(2)} bus_irq ${entry.u8(3)} global_irq ${entry.u32(4) | 0}`;
      info(`INT_SRC_OVR (${irq} ${how(flags)})`);
      const reserved = flags & ~(POLARITY_MASK | TRIGGER_MASK);
      if (reserved !== 0) info(`INT_SRC_OVR unexpected reserved flags: ${x(reserved)}`);
      break;
    }
    case NMI_SOURCE:
      info(`NMI_SRC (${how(entry.u16(2))} global_irq ${entry.u32(4) | 0})`);
      break;
    case LOCAL_APIC_NMI:
      info(`LAPIC_NMI (acpi_id[${x(entry.u8(2), 2)}] ${how(entry.u16(3))} lint[${x(entry.u8(5))}])`);
      break;
    case LOCAL_X2APIC_NMI:
      info(`X2APIC_NMI (uid[${x(entry.u32(4), 2)}] ${how(entry.u16(2))} lint[${x(entry.u8(8))}])`);
      break;
    case LOCAL_APIC_OVERRIDE:
      info(`LAPIC_ADDR_OVR (address[${x(entry.u64(4))}])`);
      break;
  }
}

export function acpi_set_irq_model_ioapic(k: Kernel): void {
  k.acpi.acpi_ioapic = true;
}

/** The I/O APIC that takes a global system interrupt, or -1. */
function mp_find_ioapic(k: Kernel, gsi: number): number {
  const { ioapics } = k.acpi;
  if (ioapics.length === 0) return -1;
  const found = ioapics.findIndex(({ gsi_base, gsi_end }) => gsi_base <= gsi && gsi <= gsi_end);
  if (found < 0) pr_err(k, `ERROR: Unable to locate IOAPIC for GSI ${gsi | 0}`);
  return found;
}

function mp_register_ioapic_irq(k: Kernel, gsi: number): boolean {
  if (mp_find_ioapic(k, gsi) >= 0) return true;
  pr_warn(k, `ACPI: Failed to find ioapic for gsi : ${gsi}`);
  return false;
}

function mp_override_legacy_irq(k: Kernel, bus_irq: number, gsi: number): void {
  const { isa_irq_to_gsi } = k.acpi;
  if (bus_irq >= NR_IRQS_LEGACY) {
    pr_warn(k, `ACPI: Invalid bus_irq ${bus_irq} for legacy override`);
    return;
  }
  if (!mp_register_ioapic_irq(k, gsi)) return;
  if (isa_irq_to_gsi[gsi] === gsi) isa_irq_to_gsi[gsi] = INVALID_ACPI_IRQ;
  isa_irq_to_gsi[bus_irq] = gsi;
}

function mp_register_ioapic(k: Kernel, id: number, address: number, gsi_base: number): number {
  const { ioapics } = k.acpi;
  if (address === 0) {
    pr_warn(k, 'Bogus (zero) I/O APIC address found, skipping!');
    return -EINVAL;
  }
  const same = ioapics.findIndex(({ apicaddr }) => apicaddr === address);
  if (same >= 0) {
    pr_warn(k, `address ${x(address)} conflicts with IOAPIC${same}`);
    return -EEXIST;
  }
  const idx = ioapics.length;
  if (idx >= MAX_IO_APICS) {
    pr_warn(k, `Max # of I/O APICs (${MAX_IO_APICS}) exceeded (found ${idx}), skipping`);
    return -ENOSPC;
  }
  const gsi_end = (gsi_base + IO_APIC_ENTRIES - 1) >>> 0;
  const clash = ioapics.find(
    (other) =>
      (gsi_base >= other.gsi_base && gsi_base <= other.gsi_end) ||
      (gsi_end >= other.gsi_base && gsi_end <= other.gsi_end),
  );
  if (clash !== undefined) {
    const range = `GSI range [${gsi_base}-${gsi_end}]`;
    pr_warn(k, `${range} for new IOAPIC conflicts with GSI[${clash.gsi_base}-${clash.gsi_end}]`);
    return -ENOSPC;
  }
  // The id that the table gives, unless another has it: then the first free one.
  let apicid = id;
  const taken = (wanted: number) => ioapics.some((other) => other.apicid === wanted);
  if (taken(apicid)) for (apicid = 0; taken(apicid); ) apicid++;
  ioapics.push({ apicid, apicaddr: address, gsi_base, gsi_end });
  const where = `address ${x(address)}, GSI ${gsi_base | 0}-${gsi_end | 0}`;
  pr_info(k, `IOAPIC[${idx}]: apic_id ${apicid}, version ${IO_APIC_VERSION}, ${where}`);
  return 0;
}

function acpi_parse_ioapic(k: Kernel, entry: Entry): number {
  if (BAD_MADT_ENTRY(entry, 12)) return -EINVAL;
  mp_register_ioapic(k, entry.u8(2), entry.u32(4), entry.u32(8));
  return 0;
}

/** ACPI's own interrupt. */
function acpi_sci_ioapic_setup(k: Kernel, bus_irq: number, gsi: number): void {
  if (bus_irq < NR_IRQS_LEGACY) mp_override_legacy_irq(k, bus_irq, gsi);
  else mp_register_ioapic_irq(k, gsi);
  k.acpi.acpi_sci_override_gsi = gsi;
}

const sci_interrupt = (k: Kernel): number => k.acpi.FADT?.sci_interrupt ?? 0;

function acpi_parse_int_src_ovr(k: Kernel, entry: Entry): number {
  if (BAD_MADT_ENTRY(entry, 10)) return -EINVAL;
  print_madt_entry(k, entry);
  const source_irq = entry.u8(3);
  const global_irq = entry.u32(4);
  if (source_irq === sci_interrupt(k)) {
    acpi_sci_ioapic_setup(k, source_irq, global_irq);
  } else if (source_irq === 0 && k.acpi.acpi_skip_timer_override) {
    pr_warn(k, 'ACPI: BIOS IRQ0 override ignored.');
  } else {
    mp_override_legacy_irq(k, source_irq, global_irq);
  }
  return 0;
}

function acpi_parse_nmi_src(k: Kernel, entry: Entry): number {
  if (BAD_MADT_ENTRY(entry, 8)) return -EINVAL;
  print_madt_entry(k, entry);
  return 0;
}

/** @returns 0 or -errno */
export function acpi_parse_madt_ioapic_entries(k: Kernel): number {
  if (k.acpi.acpi_disabled || k.acpi.acpi_noirq) return -ENODEV;
  if (k.acpi.skip_ioapic_setup) {
    pr_info(k, "ACPI: Skipping IOAPIC probe due to 'noapic' option.");
    return -ENODEV;
  }
  let count = acpi_table_parse_madt(k, IO_APIC, acpi_parse_ioapic, MAX_IO_APICS);
  if (count === 0) {
    pr_err(k, 'ACPI: No IOAPIC entries present');
    return -ENODEV;
  }
  if (count < 0) {
    pr_err(k, 'ACPI: Error parsing IOAPIC entry');
    return count;
  }
  count = acpi_table_parse_madt(k, INTERRUPT_OVERRIDE, acpi_parse_int_src_ovr);
  if (count < 0) {
    pr_err(k, 'ACPI: Error parsing interrupt source overrides entry');
    return count;
  }
  if (k.acpi.acpi_sci_override_gsi === INVALID_ACPI_IRQ && !k.acpi.reduced_hardware) {
    acpi_sci_ioapic_setup(k, sci_interrupt(k), sci_interrupt(k));
  }
  // Identity mappings for legacy interrupts that nothing overrides; only what is missing is said.
  for (const gsi of k.acpi.isa_irq_to_gsi) if (gsi !== INVALID_ACPI_IRQ) mp_find_ioapic(k, gsi);
  count = acpi_table_parse_madt(k, NMI_SOURCE, acpi_parse_nmi_src);
  if (count < 0) {
    pr_err(k, 'ACPI: Error parsing NMI SRC entry');
    return count;
  }
  return 0;
}
