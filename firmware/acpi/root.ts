// How tables are found: RSDP, RSDT and XSDT (ACPI 6.5, 5.2.5 to 5.2.8).

import { Bytes } from './bytes.ts';
import { fixChecksum, OEM_ID, table } from './header.ts';

export const RSDP_SIZE = 20;
const RSDP_V2_SIZE = 36;
const RSDP_CHECKSUM = 8;
const RSDP_EXTENDED_CHECKSUM = 32;

export function rsdt(tables: readonly number[]): Uint8Array {
  const body = new Bytes();
  for (const address of tables) body.u32(address);
  return table('RSDT', 1, body.take());
}

export function xsdt(tables: readonly number[]): Uint8Array {
  const body = new Bytes();
  for (const address of tables) body.u64(address);
  return table('XSDT', 1, body.take());
}

/** @param xsdtAt null: ACPI 1.0's short form, as QEMU has it */
export function rsdp(rsdtAt: number, xsdtAt: number | null): Uint8Array {
  const start = new Bytes().text('RSD PTR ').u8(0).text(OEM_ID, 6);
  const bytes =
    xsdtAt === null
      ? start.u8(0).u32(rsdtAt).take()
      : start.u8(2).u32(rsdtAt).u32(RSDP_V2_SIZE).u64(xsdtAt).u8(0).zeros(3).take();
  fixChecksum(bytes, RSDP_CHECKSUM, RSDP_SIZE);
  if (xsdtAt !== null) fixChecksum(bytes, RSDP_EXTENDED_CHECKSUM, RSDP_V2_SIZE);
  return bytes;
}
