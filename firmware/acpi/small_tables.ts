// The tables of a QEMU guest that say one thing each: HPET, MCFG, WAET.

import { Q35_ECAM } from '../e820.ts';
import { Bytes } from './bytes.ts';
import { table } from './header.ts';

/** The high precision event timer (IA-PC HPET 1.0a, 3.2.4), at the address that all PCs use. */
export const hpet = (): Uint8Array =>
  table('HPET', 1, new Bytes().u32(0x8086a201).zeros(4).u64(0xfed00000).u8(0).u16(0).u8(0).take());

/** Memory-mapped PCI configuration space (PCI firmware specification 3.0, 4.1.2): q35's, all 256 busses. */
export const mcfg = (): Uint8Array =>
  table('MCFG', 1, new Bytes().u64(0).u64(Q35_ECAM.start).u16(0).u8(0, 255).u32(0).take());

/** Windows ACPI emulated devices: the PM timer needs to be read once only. */
export const waet = (): Uint8Array => table('WAET', 1, new Bytes().u32(2).take());
