// MADT, signature APIC: the interrupt controllers, and with them the CPUs (ACPI 6.5, 5.2.12), as QEMU 7.2 lists them.

import type { MachineConfig, MadtCpu } from '../../emu/config/machine_config.ts';
import { Bytes } from './bytes.ts';
import { table } from './header.ts';
import { FIRST_X2APIC_ID } from './srat.ts';

const LOCAL_APIC = 0xfee00000;
const PCAT_COMPAT = 1;
const IO_APIC = { id: 0, address: 0xfec00000, gsiBase: 0 } as const;
const ENABLED = 1;
/** Interrupt source overrides: ISA 0 is wired to pin 2; the interrupts of PCI links are active high, level. */
const OVERRIDES = [
  { isa: 0, gsi: 2, flags: 0 },
  ...[5, 9, 10, 11].map((isa) => ({ isa, gsi: isa, flags: 0xd })),
] as const;
const ALL_CPUS = 0xff;
const ALL_X2APIC_CPUS = 0xffffffff;

export function madt(config: MachineConfig): Uint8Array {
  const cpus = config.madtCpus ?? config.cpus.map(toMadt);
  const body = new Bytes().u32(LOCAL_APIC).u32(PCAT_COMPAT);
  for (const { kind, apicId, uid, flags } of cpus) {
    if (kind === 'apic') body.u8(0, 8, uid, apicId).u32(flags);
    else body.u8(9, 16).u16(0).u32(apicId).u32(flags).u32(uid);
  }
  body.u8(1, 12, IO_APIC.id, 0).u32(IO_APIC.address).u32(IO_APIC.gsiBase);
  for (const { isa, gsi, flags } of OVERRIDES) body.u8(2, 10, 0, isa).u32(gsi).u16(flags);
  // NMI at LINT1 of every CPU.
  if (cpus.some(({ kind }) => kind === 'x2apic')) body.u8(10, 12).u16(0).u32(ALL_X2APIC_CPUS).u8(1, 0, 0, 0);
  else body.u8(4, 6, ALL_CPUS).u16(0).u8(1);
  return table('APIC', 1, body.take());
}

const toMadt = ({ apicId, present }: { apicId: number; present: boolean }, uid: number): MadtCpu => ({
  kind: apicId < FIRST_X2APIC_ID ? 'apic' : 'x2apic',
  apicId,
  uid,
  flags: present ? ENABLED : 0,
});
