// The few AML encodings that the DSDT needs (ACPI 6.5, chapter 20): names, integers, packages, buffers, scopes, devices.

import { Bytes } from './bytes.ts';

const NAME = 0x08;
const BYTE = 0x0a;
const WORD = 0x0b;
const DWORD = 0x0c;
const SCOPE = 0x10;
const BUFFER = 0x11;
const PACKAGE = 0x12;
const EXTENDED = 0x5b;
const DEVICE = 0x82;

/** A length in front of its contents; it counts its own bytes too. */
function packageLength(contents: number): number[] {
  if (contents + 1 < 0x40) return [contents + 1];
  const size = contents + 2 < 0x1000 ? 2 : 3;
  const total = contents + size;
  const lead = ((size - 1) << 6) | (total & 0x0f);
  return size === 2 ? [lead, total >> 4] : [lead, (total >> 4) & 0xff, total >> 12];
}

function withLength(opcode: readonly number[], contents: Uint8Array): Uint8Array {
  return new Bytes()
    .u8(...opcode, ...packageLength(contents.length))
    .bytes(contents)
    .take();
}

export function join(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Bytes();
  for (const part of parts) all.bytes(part);
  return all.take();
}

/** A name of up to four characters. */
const nameSegment = (name: string): Uint8Array => new Bytes().text(name.padEnd(4, '_'), 4).take();

export function integer(value: number): Uint8Array {
  if (value === 0 || value === 1) return Uint8Array.of(value);
  if (value < 0x100) return Uint8Array.of(BYTE, value);
  if (value < 0x10000) return new Bytes().u8(WORD).u16(value).take();
  return new Bytes().u8(DWORD).u32(value).take();
}

export const named = (name: string, value: Uint8Array): Uint8Array =>
  join([Uint8Array.of(NAME), nameSegment(name), value]);

export const packageOf = (elements: readonly Uint8Array[]): Uint8Array =>
  withLength([PACKAGE], join([Uint8Array.of(elements.length), ...elements]));

export const buffer = (bytes: Uint8Array): Uint8Array => withLength([BUFFER], join([integer(bytes.length), bytes]));

export const scope = (name: string, terms: readonly Uint8Array[]): Uint8Array =>
  withLength([SCOPE], join([nameSegment(name), ...terms]));

export const device = (name: string, terms: readonly Uint8Array[]): Uint8Array =>
  withLength([EXTENDED, DEVICE], join([nameSegment(name), ...terms]));

/** A seven-character id such as PNP0A03, packed into 32 bits, most significant byte first. */
export function eisaId(id: string): Uint8Array {
  const letters = [...id.slice(0, 3)].reduce((packed, letter) => (packed << 5) | (letter.charCodeAt(0) - 0x40), 0);
  const digits = Number.parseInt(id.slice(3), 16);
  return Uint8Array.of(DWORD, letters >> 8, letters & 0xff, digits >> 8, digits & 0xff);
}
