// The header that ACPI tables share, and their checksum (ACPI 6.5, 5.2.6). The names in it are those of a QEMU guest.

import { Bytes } from './bytes.ts';

export const HEADER_SIZE = 36;
export const CHECKSUM_OFFSET = 9;
export const LENGTH_OFFSET = 4;

export const OEM_ID = 'BOCHS ';
const OEM_TABLE_ID = 'BXPC    ';
const CREATOR_ID = 'BXPC';
const REVISION = 1;

/** A finished table: header, body, checksum. */
export function table(signature: string, revision: number, body: Uint8Array): Uint8Array {
  const bytes = new Bytes()
    .text(signature, 4)
    .u32(HEADER_SIZE + body.length)
    .u8(revision, 0)
    .text(OEM_ID, 6)
    .text(OEM_TABLE_ID, 8)
    .u32(REVISION)
    .text(CREATOR_ID, 4)
    .u32(REVISION)
    .bytes(body)
    .take();
  fixChecksum(bytes, CHECKSUM_OFFSET, bytes.length);
  return bytes;
}

/** Sets the byte at `offset` so that the first `length` bytes add up to 0. */
export function fixChecksum(bytes: Uint8Array, offset: number, length: number): void {
  bytes[offset] = 0;
  let sum = 0;
  for (let i = 0; i < length && i < bytes.length; i++) sum += bytes[i]!;
  bytes[offset] = -sum & 0xff;
}
