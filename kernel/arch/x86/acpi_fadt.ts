// The FADT: where the DSDT and FACS are, and register blocks given twice, by 32-bit and by 64-bit address (ACPICA:
// drivers/acpi/acpica/tbfadt.c). Of what it says the kernel keeps a copy in one form; contradictions are reported.
// ACPI 6.5 section 5.2.9.

import type { Kernel } from '../../kernel.ts';
import type { Fadt } from './acpi.ts';
import type { AcpiMapping } from './acpi_map.ts';
import { acpi_bios_error, acpi_bios_warning, acpi_error, upper } from './acpi_print.ts';

/** sizeof(struct acpi_table_fadt), version 6. */
const FADT_SIZE = 276;
/** Up to this length it is an ACPI 1.0 table, whose reserved bytes may hold anything. */
const FADT_V2_SIZE = 132;
const HW_REDUCED = 1 << 20;
const ACPI_ADR_SPACE_SYSTEM_IO = 1;

// Offsets
const FACS = 36;
const DSDT = 40;
const PREFERRED_PROFILE = 45;
const SCI_INTERRUPT = 46;
const PSTATE_CONTROL = 55;
const PM_TIMER_BLOCK = 76;
const CST_CONTROL = 95;
const BOOT_FLAGS = 109;
const FLAGS = 112;
const MINOR_REVISION = 131;
const XFACS = 132;
const XDSDT = 140;
const XPM_TIMER_BLOCK = 208;

interface Block {
  readonly name: string;
  /** Offset of the generic address structure: space id, bit width, bit offset, access width, address. */
  readonly address64: number;
  readonly address32: number;
  readonly length: number;
  /** In bits; 0 is any. */
  readonly default_length: number;
  readonly kind: 'required' | 'optional' | 'separate length' | 'GPE';
}

const block = (
  name: string,
  address64: number,
  address32: number,
  length: number,
  default_length: number,
  kind: Block['kind'],
): Block => ({ name, address64, address32, length, default_length, kind });

const fadt_info_table: readonly Block[] = [
  block('Pm1aEventBlock', 148, 56, 88, 32, 'required'),
  block('Pm1bEventBlock', 160, 60, 88, 32, 'optional'),
  block('Pm1aControlBlock', 172, 64, 89, 16, 'required'),
  block('Pm1bControlBlock', 184, 68, 89, 16, 'optional'),
  block('Pm2ControlBlock', 196, 72, 90, 8, 'separate length'),
  block('PmTimerBlock', XPM_TIMER_BLOCK, PM_TIMER_BLOCK, 91, 32, 'separate length'),
  block('Gpe0Block', 220, 80, 92, 0, 'GPE'),
  block('Gpe1Block', 232, 84, 93, 0, 'GPE'),
];

/** Copies the table, whatever its length, and brings the copy to one form. */
export function acpi_tb_create_local_fadt(k: Kernel, table: AcpiMapping, length: number): Fadt {
  if (length > FADT_SIZE) {
    const text =
      `FADT (revision ${table.u8(8)}) is longer than ACPI 6.1 (FADT version 6) length, ` +
      `truncating length ${length} to ${FADT_SIZE}`;
    acpi_bios_warning(k, 'tbfadt-362', text);
  }
  const local = new DataView(new ArrayBuffer(FADT_SIZE));
  table.bytes(0, Math.min(length, FADT_SIZE)).forEach((byte, i) => {
    local.setUint8(i, byte);
  });
  k.acpi.reduced_hardware = (local.getUint32(FLAGS, true) & HW_REDUCED) !== 0;
  acpi_tb_convert_fadt(k, local);
  acpi_tb_setup_fadt_registers(k, local);
  return {
    revision: local.getUint8(8),
    minor_revision: local.getUint8(MINOR_REVISION),
    sci_interrupt: local.getUint16(SCI_INTERRUPT, true),
    boot_flags: local.getUint16(BOOT_FLAGS, true),
    flags: local.getUint32(FLAGS, true),
    facs: local.getUint32(FACS, true),
    Xfacs: local.getBigUint64(XFACS, true),
    Xdsdt: local.getBigUint64(XDSDT, true),
    pm_timer_block: local.getUint32(PM_TIMER_BLOCK, true),
    xpm_timer_block: {
      space_id: local.getUint8(XPM_TIMER_BLOCK),
      address: local.getBigUint64(XPM_TIMER_BLOCK + 4, true),
    },
  };
}

const using = (k: Kernel): string => `using ${k.acpi.use32_bit_fadt_addresses ? 32 : 64}-bit address`;

/** The one address where a 32-bit and a 64-bit field give one each. */
function acpi_tb_select_address(k: Kernel, name: string, address32: number, address64: bigint): bigint {
  if (address64 === 0n) return BigInt(address32);
  if (address32 !== 0 && address64 !== BigInt(address32)) {
    const both = `0x${upper(address32, 8)}/0x${upper(address64, 16)}`;
    acpi_bios_warning(k, 'tbfadt-243', `32/64X ${name} address mismatch in FADT: ${both}, ${using(k)}`);
    if (k.acpi.use32_bit_fadt_addresses) return BigInt(address32);
  }
  return address64;
}

function acpi_tb_convert_fadt(k: Kernel, local: DataView): void {
  if (local.getUint32(4, true) <= FADT_V2_SIZE) {
    for (const reserved of [PREFERRED_PROFILE, PSTATE_CONTROL, CST_CONTROL]) local.setUint8(reserved, 0);
    local.setUint16(BOOT_FLAGS, 0, true);
  }
  const Xdsdt = acpi_tb_select_address(k, 'DSDT', local.getUint32(DSDT, true), local.getBigUint64(XDSDT, true));
  local.setBigUint64(XDSDT, Xdsdt, true);
  if (k.acpi.reduced_hardware) return;
  for (const row of fadt_info_table) convert_block(k, local, row);
}

/** Fills the 64-bit form of one register block from the 32-bit one, and reports what does not fit together. */
function convert_block(k: Kernel, local: DataView, { name, address64, address32, length, kind }: Block): void {
  const old = local.getUint32(address32, true);
  const byte_width = local.getUint8(length);
  const found = local.getBigUint64(address64 + 4, true);
  if (old !== 0) {
    if (found !== 0n) {
      if (found !== BigInt(old)) {
        const both = `0x${upper(old, 8)}/0x${upper(found, 16)}`;
        acpi_bios_warning(k, 'tbfadt-543', `32/64X address mismatch in FADT/${name}: ${both}, ${using(k)}`);
      }
      const bit_width = local.getUint8(address64 + 1);
      if (byte_width * 8 <= 255 && bit_width !== byte_width * 8) {
        const both = `${byte_width * 8}/${bit_width}`;
        acpi_bios_warning(k, 'tbfadt-564', `32/64X length mismatch in FADT/${name}: ${both}`);
      }
    }
    if (found === 0n || k.acpi.use32_bit_fadt_addresses) {
      acpi_tb_init_generic_address(k, local, address64, byte_width, BigInt(old), name, kind === 'GPE');
    }
  }
  const address = local.getBigUint64(address64 + 4, true);
  const values = `0x${upper(address, 16)}/0x${upper(byte_width)}`;
  if (kind === 'required') {
    if (address === 0n || byte_width === 0) {
      acpi_bios_error(k, 'tbfadt-599', `Required FADT field ${name} has zero address and/or length: ${values}`);
    }
  } else if (kind !== 'optional' && (address !== 0n) !== (byte_width !== 0)) {
    const [valid, zero] = byte_width !== 0 ? ['Length', 'Address'] : ['Address', 'Length'];
    const text = `Optional FADT field ${name} has valid ${valid} but zero ${zero}: ${values}`;
    acpi_bios_warning(k, 'tbfadt-615', text);
  }
}

function acpi_tb_init_generic_address(
  k: Kernel,
  local: DataView,
  at: number,
  byte_width: number,
  address: bigint,
  name: string,
  is_gpe: boolean,
): void {
  if (byte_width > 31 && !is_gpe) {
    const text =
      `${name} - 32-bit FADT register is too long (${byte_width} bytes, ${byte_width * 8} bits) ` +
      'to convert to GAS struct - 255 bits max, truncating';
    acpi_error(k, 'tbfadt-177', text);
  }
  local.setUint8(at, ACPI_ADR_SPACE_SYSTEM_IO);
  local.setUint8(at + 1, byte_width > 31 ? 255 : byte_width * 8);
  local.setUint16(at + 2, 0, true);
  local.setBigUint64(at + 4, address, true);
}

/** Puts the widths that the standard fixes right. */
function acpi_tb_setup_fadt_registers(k: Kernel, local: DataView): void {
  for (const { name, address64, default_length } of fadt_info_table) {
    const bit_width = local.getUint8(address64 + 1);
    if (local.getBigUint64(address64 + 4, true) === 0n || default_length === 0 || default_length === bit_width)
      continue;
    const text = `Invalid length for FADT/${name}: ${bit_width}, using default ${default_length}`;
    acpi_bios_warning(k, 'tbfadt-669', text);
    local.setUint8(address64 + 1, default_length);
  }
}
