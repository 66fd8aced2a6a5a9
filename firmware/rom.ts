// The ROM: the assembled BIOS in its last 64 KiB, with the settings of this machine, and below that what POST and the
// boot stage copy to RAM, with the lists that say from where to where.

import type { AddressRange } from '../emu/memory.ts';
import { Bytes } from './acpi/bytes.ts';
import { type FirmwareContents, kernelEnd, type Payload, type Piece } from './contents.ts';
import {
  BIOS_SIZE,
  COPY_SIZE,
  MAX_ROM_SIZE,
  MIN_ROM_SIZE,
  RAM_RANGE_SIZE,
  ROM_END,
  SETTINGS,
  settings,
} from './layout.ts';

export interface Rom {
  readonly range: AddressRange;
  readonly bytes: Uint8Array;
}

/** Room that `contents` take in ROM. @throws RangeError if no ROM is large enough */
export function romRange({ ram, post, boot }: FirmwareContents): AddressRange {
  const pieces = [...post, ...boot];
  const needed = pieces.reduce(
    (sum, { bytes }) => sum + bytes.length + COPY_SIZE,
    BIOS_SIZE + ram.length * RAM_RANGE_SIZE,
  );
  let size = MIN_ROM_SIZE;
  while (size < needed) size *= 2;
  if (size > MAX_ROM_SIZE)
    throw new RangeError(`firmware and kernel take ${needed} bytes, a ROM holds ${MAX_ROM_SIZE}`);
  return { start: ROM_END - size, end: ROM_END };
}

/** @param bios what nasm made of bios/bios.asm */
export function buildRom(contents: FirmwareContents, payload: Payload, bios: Uint8Array): Rom {
  if (bios.length !== BIOS_SIZE) throw new RangeError(`the BIOS is ${bios.length} bytes, it must be ${BIOS_SIZE}`);
  const range = romRange(contents);
  const data = new Bytes();
  const stored = (pieces: readonly Piece[]) =>
    pieces.map(({ address, bytes, room }) => {
      const from = range.start + data.length;
      data.bytes(bytes);
      return { from, address, length: bytes.length, room: room ?? bytes.length };
    });
  const ramRanges = { at: range.start + data.length, count: contents.ram.length };
  for (const { start, end } of contents.ram) data.u32(start).u32(end - 1);
  const lists = [stored(contents.post), stored(contents.boot)].map((copies) => {
    const at = range.start + data.length;
    for (const { from, address, length, room } of copies) data.u32(from).u32(address).u32(length).u32(room);
    return { at, count: copies.length };
  });

  const rom = new Uint8Array(range.end - range.start).fill(0xff);
  rom.set(data.take());
  rom.set(bios, rom.length - BIOS_SIZE);
  const view = new DataView(rom.buffer, rom.length - BIOS_SIZE + SETTINGS);
  const [post, boot] = lists as [{ at: number; count: number }, { at: number; count: number }];
  view.setUint32(settings.COPIES, post.at, true);
  view.setUint32(settings.NR_COPIES, post.count, true);
  view.setUint32(settings.BOOT_COPIES, boot.at, true);
  view.setUint32(settings.NR_BOOT_COPIES, boot.count, true);
  view.setUint32(settings.RAM_RANGES, ramRanges.at, true);
  view.setUint32(settings.NR_RAM_RANGES, ramRanges.count, true);
  view.setUint32(settings.KERNEL_ENTRY, payload.kernel.entry, true);
  view.setUint32(settings.KERNEL_LOAD, payload.kernel.load, true);
  view.setUint32(settings.KERNEL_END, kernelEnd(payload.kernel), true);
  view.setUint16(settings.NR_E820, contents.map.length, true);
  view.setUint16(settings.EXTENDED_KIB, contents.legacy.extendedKib, true);
  view.setUint16(settings.E801_LOW, contents.legacy.e801Low, true);
  view.setUint16(settings.E801_HIGH, contents.legacy.e801High, true);
  return { range, bytes: rom };
}
