// What the kernel knows of ACPI while it boots (Linux: globals of arch/x86/kernel/acpi/boot.c, drivers/acpi/tables.c,
// drivers/acpi/numa/srat.c and of ACPICA's root table list), and the parameters that set it.
//
// Left out: DMI quirks (a machine of ours has no DMI), tables upgraded from an initrd, EFI.

import { EINVAL } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { kstrtoint, simple_strtoull } from '../../lib/memparse.ts';
import { type nodemask_t, nodes_none } from '../../lib/nodemask.ts';
import { pr_info, pr_notice } from '../../lib/printk.ts';

export const ACPI_MAX_TABLES = 128;
/** MAX_PXM_DOMAINS: proximity domains 0 to 1023 can be mapped when NODES_SHIFT is 10, 0 to 255 at least. */
export const MAX_PXM_DOMAINS = (max_numnodes: number): number => Math.max(256, max_numnodes);
/** acpi_sci_override_gsi before the SCI is set up. */
export const INVALID_ACPI_IRQ = 0xffffffff;
export const NR_IRQS_LEGACY = 16;

/** struct acpi_table_desc: a table of the root table list. */
export interface acpi_table_desc {
  readonly address: bigint;
  /** As the table's header says, which nobody has checked. */
  readonly length: number;
  /** Four characters, one a byte. */
  readonly signature: string;
  /** ACPI_TABLE_IS_VERIFIED. */
  readonly verified: boolean;
}

/** The kernel's copy of the FADT, brought to one form. Names are struct acpi_table_fadt's. */
export interface Fadt {
  readonly revision: number;
  readonly minor_revision: number;
  readonly sci_interrupt: number;
  readonly boot_flags: number;
  readonly flags: number;
  readonly facs: number;
  readonly Xfacs: bigint;
  readonly Xdsdt: bigint;
  readonly pm_timer_block: number;
  readonly xpm_timer_block: { readonly space_id: number; readonly address: bigint };
}

/** One I/O APIC of the MADT and the interrupts that it takes. */
export interface IoApic {
  readonly apicid: number;
  readonly apicaddr: number;
  readonly gsi_base: number;
  readonly gsi_end: number;
}

export class AcpiState {
  // boot.c
  acpi_disabled = false;
  acpi_noirq = false;
  acpi_force = false;
  acpi_strict = false;
  acpi_lapic = false;
  acpi_ioapic = false;
  smp_found_config = false;
  acpi_lapic_addr = 0xfee00000n;
  acpi_support_online_capable = false;
  acpi_sci_flags = 0;
  acpi_sci_override_gsi = INVALID_ACPI_IRQ;
  acpi_skip_timer_override = false;
  /** `noapic`. */
  skip_ioapic_setup = false;
  readonly isa_irq_to_gsi: number[] = Array.from({ length: NR_IRQS_LEGACY }, (_, irq) => irq);
  readonly ioapics: IoApic[] = [];
  pmtmr_ioport = 0;
  hpet_address = 0n;

  // tables.c and ACPICA
  /** `acpi_rsdp=`: where the RSDP is, whatever the firmware says. */
  acpi_rsdp = 0n;
  acpi_verify_table_checksum = false;
  acpi_apic_instance = 0;
  do_not_use_xsdt = false;
  use32_bit_fadt_addresses = false;
  reduced_hardware = false;
  readonly initial_tables: acpi_table_desc[] = [];
  FADT: Fadt | null = null;

  // srat.c
  /** Below zero: the SRAT is not to be used. */
  acpi_numa = 0;
  acpi_srat_revision = 0;
  parsed_numa_memblks = 0;
  readonly pxm_to_node_map = new Map<number, number>();
  readonly node_to_pxm_map = new Map<number, number>();
  readonly nodes_found_map: nodemask_t = nodes_none();
}

export function disable_acpi(k: Kernel): void {
  k.acpi.acpi_disabled = true;
  k.acpi.acpi_noirq = true;
}

/** early_param("acpi"). */
export function parse_acpi(k: Kernel, value: string | null): number {
  const { acpi } = k;
  switch (value) {
    case 'off':
      disable_acpi(k);
      return 0;
    case 'force':
      acpi.acpi_force = true;
      acpi.acpi_disabled = false;
      return 0;
    case 'strict':
      acpi.acpi_strict = true;
      return 0;
    case 'rsdt':
      acpi.do_not_use_xsdt = true;
      return 0;
    case 'noirq':
      acpi.acpi_noirq = true;
      return 0;
    case 'copy_dsdt':
    case 'nocmcff':
      return 0;
    default:
      return -EINVAL;
  }
}

/** early_param("acpi_rsdp"), hexadecimal with or without 0x. */
export function setup_acpi_rsdp(k: Kernel, value: string | null): number {
  if (value === null) return -EINVAL;
  const { value: address, rest } = simple_strtoull(value, 16);
  if (rest !== '' || rest === value) return -EINVAL;
  k.acpi.acpi_rsdp = address;
  return 0;
}

/** early_param("acpi_apic_instance"). */
export function acpi_parse_apic_instance(k: Kernel, value: string | null): number {
  if (value === null) return -EINVAL;
  const { error, value: instance } = kstrtoint(value);
  if (error !== 0) return -EINVAL;
  k.acpi.acpi_apic_instance = instance;
  pr_notice(k, `ACPI: Shall use APIC/MADT table ${instance}`);
  return 0;
}

/** early_param("acpi_force_table_verification"). */
export function acpi_force_table_verification_setup(k: Kernel): number {
  k.acpi.acpi_verify_table_checksum = true;
  return 0;
}

/** early_param("acpi_force_32bit_fadt_addr"). */
export function acpi_force_32bit_fadt_addr(k: Kernel): number {
  pr_info(k, 'ACPI: Forcing 32 Bit FADT addresses');
  k.acpi.use32_bit_fadt_addresses = true;
  return 0;
}

/** early_param("acpi_skip_timer_override"). */
export function parse_acpi_skip_timer_override(k: Kernel): number {
  k.acpi.acpi_skip_timer_override = true;
  return 0;
}

/** early_param("acpi_sci"). */
export function setup_acpi_sci(k: Kernel, value: string | null): number {
  const flags = k.acpi.acpi_sci_flags;
  if (value === 'edge') k.acpi.acpi_sci_flags = (flags & ~0xc) | 0x4;
  else if (value === 'level') k.acpi.acpi_sci_flags = (flags & ~0xc) | 0xc;
  else if (value === 'high') k.acpi.acpi_sci_flags = (flags & ~0x3) | 0x1;
  else if (value === 'low') k.acpi.acpi_sci_flags = (flags & ~0x3) | 0x3;
  else return -EINVAL;
  return 0;
}

/** early_param("noapic"). */
export function parse_noapic(k: Kernel): number {
  k.acpi.skip_ioapic_setup = true;
  return 0;
}
