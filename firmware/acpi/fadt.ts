// FADT, signature FACP, and FACS (ACPI 6.5, 5.2.9 and 5.2.10): the fixed hardware as QEMU 7.2's chipsets have it, which
// is what emu/devices/acpi_pm.ts answers for. pc's is ACPI 1.0's, q35's has the extended addresses.

import type { MachineType } from '../../emu/config/machine_config.ts';
import { PM_BASE, PM_TMR, PM1_CNT, RESET_PORT } from '../../emu/devices/acpi_pm.ts';
import { Bytes } from './bytes.ts';
import { table } from './header.ts';

export const FACS_SIZE = 64;
export const FACS_ALIGN = 64;

export const facs = (): Uint8Array => new Bytes().text('FACS').u32(FACS_SIZE).zeros(56).take();

/** Interrupt model of ACPI 1.0: two 8259s beside the APICs. */
const DUAL_PIC = 1;
const SCI_INTERRUPT = 9;
const SMI_COMMAND = 0xb2;
const PM1_EVT_SIZE = 4;
const PM1_CNT_SIZE = 2;
const PM_TMR_SIZE = 4;
/** Latencies that say: no C2, no C3. */
const NO_C_STATES = 0xfff;

const CHIPSET = {
  pc: { acpiEnable: 0xf1, acpiDisable: 0xf0, gpe: 0xafe0, gpeSize: 4 },
  q35: { acpiEnable: 2, acpiDisable: 3, gpe: 0x620, gpeSize: 16 },
} as const;
const RTC_CENTURY = 0x32;

// Fixed feature flags, table 5.10.
const WBINVD = 1 << 0;
const PROC_C1 = 1 << 2;
const SLP_BUTTON = 1 << 5;
const RTC_S4 = 1 << 7;
const RESET_REG_SUP = 1 << 10;
const USE_PLATFORM_CLOCK = 1 << 15;
const FORCE_APIC_CLUSTER_MODEL = 1 << 18;
/** More CPUs than the APICs' flat logical addresses can tell apart. */
const FLAT_MODEL_CPUS = 8;
const RESET_VALUE = 0x0f;

const SYSTEM_IO = 1;

/** @param cpus how many there can be */
export function fadt(type: MachineType, cpus: number, facsAt: number, dsdtAt: number): Uint8Array {
  const chipset = CHIPSET[type];
  const extended = type === 'q35';
  let flags = WBINVD | PROC_C1 | SLP_BUTTON | RTC_S4 | USE_PLATFORM_CLOCK;
  if (extended) flags |= RESET_REG_SUP;
  if (cpus > FLAT_MODEL_CPUS) flags |= FORCE_APIC_CLUSTER_MODEL;
  const body = new Bytes().u32(facsAt).u32(dsdtAt);
  body.u8(DUAL_PIC, 0).u16(SCI_INTERRUPT).u32(SMI_COMMAND).u8(chipset.acpiEnable, chipset.acpiDisable, 0, 0);
  body
    .u32(PM_BASE)
    .u32(0)
    .u32(PM_BASE + PM1_CNT)
    .u32(0)
    .u32(0)
    .u32(PM_BASE + PM_TMR)
    .u32(chipset.gpe)
    .u32(0);
  body.u8(PM1_EVT_SIZE, PM1_CNT_SIZE, 0, PM_TMR_SIZE, chipset.gpeSize, 0, 0, 0);
  body.u16(NO_C_STATES).u16(NO_C_STATES);
  // Cache flush size and stride, duty cycle, RTC day and month alarms: none. Century, boot architecture flags.
  body
    .u16(0)
    .u16(0)
    .u8(0, 0, 0, 0)
    .u8(RTC_CENTURY)
    .u16(extended ? 2 : 0)
    .u8(0)
    .u32(flags);
  if (!extended) return table('FACP', 1, body.take());
  putAddress(body, 8, RESET_PORT);
  body.u8(RESET_VALUE).u16(0).u8(0);
  // The FACS has one address, as a reader of both would take it for two tables.
  body.u64(0).u64(dsdtAt);
  putAddress(body, 8 * PM1_EVT_SIZE, PM_BASE);
  body.zeros(12);
  putAddress(body, 8 * PM1_CNT_SIZE, PM_BASE + PM1_CNT);
  body.zeros(24);
  putAddress(body, 8 * PM_TMR_SIZE, PM_BASE + PM_TMR);
  putAddress(body, 8 * chipset.gpeSize, chipset.gpe);
  body.zeros(12);
  return table('FACP', 3, body.take());
}

/** A generic address structure of a port (5.2.3.2). */
function putAddress(body: Bytes, bits: number, port: number): void {
  body.u8(SYSTEM_IO, bits, 0, 0).u64(port);
}
