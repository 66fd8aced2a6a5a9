// The memory map of a machine file, and the RAM behind it: the map may say anything, RAM is where it can be.
//
//   0    1 MiB            low RAM              0xfec00000    4 GiB                         64 TiB
//   | RAM | RAM, as much as the map names ... | APICs, ROM |  RAM where the map names it ... |
//
// Low RAM is one stretch: a chipset that takes parts of it for itself has RAM there all the same.

import type { AddressRange } from '../memory.ts';
import type { JsonField } from './json_field.ts';
import type { E820Entry } from './machine_config.ts';
import { hex } from './option_text.ts';
import { FOUR_GIB, type RamLayout } from './ram_layout.ts';

/** What the BIOS has room for. */
export const MAX_E820_ENTRIES = 900;
/** The names that a boot log has for them; any other number is "type N". */
export const E820_TYPES: Readonly<Record<string, number>> = {
  usable: 1,
  reserved: 2,
  'ACPI data': 3,
  'ACPI NVS': 4,
  unusable: 5,
  'persistent (type 7)': 7,
  'persistent (type 12)': 12,
  'soft reserved': 0xefffffff,
};
/** Types whose bytes are memory. */
const RAM_TYPES = [1, 3, 4, 7, 12, 0xefffffff];

const PAGE_SIZE = 4096;
const ONE_MIB = 0x100000;
/** I/O APIC, local APICs and ROM answer from here to 4 GiB. */
export const LOW_RAM_LIMIT = 0xfec00000;
const ADDRESS_LIMIT = 2 ** 46;
/** QEMU's size of a machine without -m; room for a kernel. */
const LEAST_LOW_RAM = 128 * ONE_MIB;

const ENTRY_FIELDS = ['start', 'size', 'type'];
const ENTRY = 'an object with start, size, type or a line such as "[mem 0x0-0x9fbff] usable"';
/** With or without what comes before it: a time stamp, a syslog's date and host. */
const LINE =
  /^(?:\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? )?(?:.*BIOS-e820: )?\[?(?:mem )?0x([0-9a-f]{1,16})-0x([0-9a-f]{1,16})\]? +(.+?) *$/i;

export const readE820 = (field: JsonField): E820Entry[] => field.items(MAX_E820_ENTRIES).map(readEntry);

function readEntry(field: JsonField): E820Entry {
  if (field.isText) return readLine(field);
  if (!field.isObject) field.expected(ENTRY);
  else if (field.object(ENTRY_FIELDS)) {
    const type = field.member('type');
    return {
      start: field.member('start').uint(),
      size: field.member('size').uint(),
      type: type.isText ? typeNumber(type, type.text()) : type.number(0xffffffff),
    };
  }
  return { start: 0n, size: 0n, type: 0 };
}

/** As a boot log has it: the last address of the range is part of it. */
function readLine(field: JsonField): E820Entry {
  const [, first, last, name] = LINE.exec(field.text()) ?? [];
  if (first === undefined || last === undefined || name === undefined) {
    field.expected(ENTRY);
    return { start: 0n, size: 0n, type: 0 };
  }
  const start = BigInt(`0x${first}`);
  const size = BigInt(`0x${last}`) + 1n - start;
  if (size < 0n) field.refuse(`its end 0x${last} is below its start 0x${first}`);
  else if (size === 2n ** 64n) field.refuse('2^64 bytes are above the limit of 2^64 - 1');
  return { start, size, type: typeNumber(field, name) };
}

function typeNumber(field: JsonField, name: string): number {
  if (Object.hasOwn(E820_TYPES, name)) return E820_TYPES[name]!;
  const number = /^(?:type )?(\d+|0x[0-9a-f]+)$/i.exec(name)?.[1];
  if (number === undefined) {
    field.refuse(`no type is named "${name}", there are a number and ${Object.keys(E820_TYPES).join(', ')}`);
  } else if (Number(number) > 0xffffffff) field.refuse(`type ${number} is above the limit of 0xffffffff`);
  else return Number(number);
  return 0;
}

/** Parts of the map that name memory where there cannot be any. */
export function mapWarnings(map: readonly E820Entry[]): string[] {
  return map.flatMap(({ start, size, type }, i) => {
    const end = start + size;
    if (size === 0n || !RAM_TYPES.includes(type)) return [];
    if (end > BigInt(ADDRESS_LIMIT)) return [`e820[${i}]: there is no RAM above ${hex(ADDRESS_LIMIT)} (64 TiB)`];
    const crosses = start < BigInt(FOUR_GIB) && end > BigInt(LOW_RAM_LIMIT);
    return crosses ? [`e820[${i}]: there is no RAM between ${hex(LOW_RAM_LIMIT)} and 4 GiB`] : [];
  });
}

/**
 * @param layout where QEMU's options put RAM
 * @param sized they said how much: it stays, what the map names besides is added; else it is as much as the map names
 */
export function ramBehind(layout: RamLayout, sized: boolean, map: readonly E820Entry[]): RamLayout {
  const named = map.filter(({ type }) => RAM_TYPES.includes(type)).map(pages);
  const low = named.map(({ start, end }) => clip(start, end, 0, LOW_RAM_LIMIT)).filter(notEmpty);
  const high = named.map(({ start, end }) => clip(start, end, FOUR_GIB, ADDRESS_LIMIT)).filter(notEmpty);
  if (sized) return { ...layout, ram: union([...layout.ram, ...low, ...high]) };
  const below4g = low.reduce((most, { end }) => Math.max(most, end), LEAST_LOW_RAM);
  const above = union(high);
  return {
    ...layout,
    below4g,
    above4g: above.reduce((sum, { start, end }) => sum + end - start, 0),
    above4gStart: FOUR_GIB,
    ram: [{ start: 0, end: below4g }, ...above],
  };
}

/** Addresses beyond any RAM need not be exact. */
const toNumber = (address: bigint): number => (address > BigInt(ADDRESS_LIMIT) ? ADDRESS_LIMIT : Number(address));

/** Whole pages that hold the entry's bytes. */
function pages({ start, size }: E820Entry): AddressRange {
  if (size === 0n) return { start: 0, end: 0 };
  return {
    start: Math.floor(toNumber(start) / PAGE_SIZE) * PAGE_SIZE,
    end: Math.ceil(toNumber(start + size) / PAGE_SIZE) * PAGE_SIZE,
  };
}

const clip = (start: number, end: number, least: number, most: number): AddressRange => ({
  start: Math.max(start, least),
  end: Math.min(end, most),
});

const notEmpty = ({ start, end }: AddressRange): boolean => end > start;

/** The same addresses in ascending ranges that do not touch. */
function union(ranges: readonly AddressRange[]): AddressRange[] {
  const joined: { start: number; end: number }[] = [];
  for (const { start, end } of [...ranges].sort((a, b) => a.start - b.start)) {
    const last = joined.at(-1);
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end);
    else joined.push({ start, end });
  }
  return joined;
}
