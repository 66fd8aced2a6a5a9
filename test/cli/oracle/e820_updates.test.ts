// What a log says that a kernel did to its map, done to a map.
//
//   0        0xa0000    1M              3G     3.5G      4G        5G
//   | usable |          | usable        | rsvd |         | usable  |

import { describe, expect, it } from 'vitest';
import type { E820Line } from '../../../cli/oracle/boot_case.ts';
import { applyUpdates, merged } from '../../../cli/oracle/e820_updates.ts';

const line = (start: number, end: number, type: string): E820Line => ({ start: BigInt(start), end: BigInt(end), type });
const map = [
  line(0, 0x9ffff, 'usable'),
  line(0x100000, 0xbfffffff, 'usable'),
  line(0xc0000000, 0xdfffffff, 'reserved'),
  line(0x100000000, 0x13fffffff, 'usable'),
];
const after = (...updates: string[]) =>
  applyUpdates(map, updates).map(({ start, end, type }) => `${start.toString(16)}-${end.toString(16)} ${type}`);
const before = after();

describe('an update', () => {
  it.each([
    [
      'of part of a range splits it',
      ['e820: update [mem 0x00000000-0x00000fff] usable ==> reserved'],
      ['0-fff reserved', '1000-9ffff usable', ...before.slice(1)],
    ],
    [
      'over several ranges changes only those of the old type',
      ['e820: update [mem 0xbf000000-0xffffffff] usable ==> reserved'],
      ['0-9ffff usable', '100000-beffffff usable', 'bf000000-dfffffff reserved', '100000000-13fffffff usable'],
    ],
    ['to the same type changes nothing', ['e820: update [mem 0x45f3e018-0x45f42257] usable ==> usable'], before],
    ['of what is not there changes nothing', ['e820: update [mem 0xe0000000-0xefffffff] usable ==> reserved'], before],
    ['late in the log, of another kind, changes nothing', ['PM: hibernation: Registered nosave memory'], before],
  ])('%s', (_name, updates, wanted) => {
    expect(after(...updates)).toEqual(wanted);
  });
});

describe('a removal', () => {
  it.each([
    [
      'to the end of the address space, as mem= prints it',
      ['e820: remove [mem 0x80000000-0xfffffffffffffffe] usable'],
      ['0-9ffff usable', '100000-7fffffff usable', 'c0000000-dfffffff reserved'],
    ],
    [
      'without a type takes any',
      ['e820: remove [mem 0xc0000000-0xcfffffff] '],
      ['0-9ffff usable', '100000-bfffffff usable', 'd0000000-dfffffff reserved', '100000000-13fffffff usable'],
    ],
    [
      'by EFI takes reserved memory only',
      ['efi: Remove mem55: MMIO range=[0xb0000000-0xc0000fff] (256MB) from e820 map'],
      ['0-9ffff usable', '100000-bfffffff usable', 'c0001000-dfffffff reserved', '100000000-13fffffff usable'],
    ],
  ])('%s', (_name, updates, wanted) => {
    expect(after(...updates)).toEqual(wanted);
  });
});

it('a map of setup_data or of the user takes the place of all that was', () => {
  expect(
    after(
      'extended physical RAM map:',
      'reserve setup_data: [mem 0x0000000000000000-0x0000000000000fff] usable',
      'reserve setup_data: [mem 0x0000000000001000-0x0000000000001fff] usable',
      'reserve setup_data: [mem 0x0000000000002000-0x0000000000002fff] ACPI NVS',
    ),
  ).toEqual(['0-1fff usable', '2000-2fff ACPI NVS']);
  expect(
    after('user-defined physical RAM map:', 'user: [mem 0x0000000000001000-0x0000000000001fff] persistent (type 12)'),
  ).toEqual(['1000-1fff persistent (type 12)']);
});

it('neighbours of different types stay apart', () => {
  expect(merged(map)).toEqual(map);
});
