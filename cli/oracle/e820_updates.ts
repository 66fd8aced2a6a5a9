// Applies what another kernel's log says it did to its memory map: MTRR trimming, EFI's removals, a map that setup_data
// or the command line put in place. Used where a machine's own kernel knew things that its e820 does not tell.

import type { E820Line } from './boot_case.ts';

const U64_END = (1n << 64n) - 1n;
const RANGE = '\\[mem (0x[0-9a-f]+)-(0x[0-9a-f]+)\\]';
const UPDATE = new RegExp(`^e820: update ${RANGE} (.+?) ==> (.+)$`);
const REMOVE = new RegExp(`^e820: remove ${RANGE}(?: (.*))?$`);
const EFI_REMOVE = /^efi: Remove mem\d+: MMIO range=\[(0x[0-9a-f]+)-(0x[0-9a-f]+)\]/;
const WHOLE_MAP = new RegExp(`^(?:reserve setup_data|user): ${RANGE} (.+)$`);
const MAP_HEADING = /(?:extended|user-defined) physical RAM map:$/;

/** The map after all of `updates`. A line that is none of the kinds above changes nothing. */
export function applyUpdates(map: readonly E820Line[], updates: readonly string[]): E820Line[] {
  let lines = [...map];
  for (const text of updates) {
    const whole = WHOLE_MAP.exec(text);
    const update = UPDATE.exec(text);
    const remove = REMOVE.exec(text);
    const efi = EFI_REMOVE.exec(text);
    if (MAP_HEADING.test(text)) lines = [];
    else if (whole !== null) lines.push({ start: BigInt(whole[1]!), end: BigInt(whole[2]!), type: whole[3]! });
    else if (update !== null) lines = retype(lines, update[1]!, update[2]!, update[3]!, update[4]!);
    else if (remove !== null) lines = retype(lines, remove[1]!, remove[2]!, remove[3]?.trim() || null, null);
    else if (efi !== null) lines = retype(lines, efi[1]!, efi[2]!, 'reserved', null);
  }
  return merged(lines);
}

/** Gives what is of type `from` (null: of any) between start and end the type `to`, or removes it (null). */
function retype(lines: readonly E820Line[], first: string, last: string, from: string | null, to: string | null) {
  const [start, end] = [BigInt(first), BigInt(last)];
  return lines.flatMap((line) => {
    if (line.end < start || line.start > end || (from !== null && line.type !== from)) return [line];
    const pieces: E820Line[] = [];
    if (line.start < start) pieces.push({ ...line, end: start - 1n });
    if (to !== null) {
      pieces.push({ start: line.start > start ? line.start : start, end: line.end < end ? line.end : end, type: to });
    }
    if (line.end > end && end < U64_END) pieces.push({ ...line, start: end + 1n });
    return pieces;
  });
}

/** Neighbours of one type as one: a map is split where setup_data lies, and prints it as usable all the same. */
export function merged(lines: readonly E820Line[]): E820Line[] {
  const sorted = [...lines].sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
  const result: E820Line[] = [];
  for (const line of sorted) {
    const last = result.at(-1);
    if (last !== undefined && last.type === line.type && last.end + 1n === line.start) {
      result[result.length - 1] = { ...last, end: line.end };
    } else result.push(line);
  }
  return result;
}
