import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MachineConfig } from '../../../emu/config/machine_config.ts';
import { machineFromJson, parseMachineFile, readMachineFile } from '../../../emu/config/machine_file.ts';
import { parseQemuOptions } from '../../../emu/config/qemu_options.ts';

const GiB = 2 ** 30;

function config(value: unknown): MachineConfig {
  const parsed = machineFromJson(value);
  if ('errors' in parsed) throw new Error(parsed.errors.join('\n'));
  return parsed.config;
}

function errors(value: unknown): readonly string[] {
  const parsed = machineFromJson(value);
  return 'errors' in parsed ? parsed.errors : [];
}

describe('where a machine file starts from', () => {
  test('an empty object is the default machine', () => {
    expect({ config: config({}), warnings: [] }).toEqual(parseQemuOptions([]));
  });
  test('qemu is a command line, or its words', () => {
    expect(config({ qemu: '-M q35 -m 3G' }).layout.below4g).toBe(2 * GiB);
    expect(config({ qemu: ['-M', 'q35', '-m', '3G'] })).toEqual(config({ qemu: '-M q35 -m 3G' }));
  });
  test('what QEMU refuses is refused under the name of the field', () => {
    expect(errors({ qemu: '-m 4G,slots=2 -smp 4,maxcpus=2' })).toEqual([
      expect.stringMatching(/^qemu: Invalid CPU topology: maxcpus must be equal/),
      'qemu: slots specified but no max-size',
    ]);
  });

  //   0        9fc00 a0000   1 MiB      1 GiB     2 GiB (data) +64K     4 GiB       6 GiB   8 GiB   9 GiB
  //   | usable |resv|         | usable   |  hole   | ACPI data |          | usable     |       | usable |
  //   RAM: one range from 0 to the end of the ACPI data, then the two usable ones
  test('without qemu, RAM lies behind the map', () => {
    const { layout } = config({
      e820: [
        { start: 0, end: '0x9fbff', type: 'usable' },
        { start: '0x9fc00', end: '0x9ffff', type: 'reserved' },
        { start: '1M', size: '1023M', type: 'usable' },
        { start: '2G', size: '0x10000', type: 'ACPI data' },
        { start: '8G', size: '1G', type: 'usable' },
        { start: '4G', size: '2G', type: 'usable' },
      ],
    });
    expect(layout.ram).toEqual([
      { start: 0, end: 2 * GiB + 0x10000 },
      { start: 4 * GiB, end: 6 * GiB },
      { start: 8 * GiB, end: 9 * GiB },
    ]);
  });
});

describe('odd firmware that a machine file can describe', () => {
  test('overlapping, empty, unsorted and unknown e820 entries', () => {
    const { e820 } = config({
      e820: [
        { start: '4G', size: '1G', type: 1 },
        { start: 0, size: '1G', type: 'usable' },
        { start: '512M', size: '1G', type: 'reserved' },
        { start: '1M', size: 0, type: 'usable' },
        { start: '0xffffffffffffffff', end: '0xffffffffffffffff', type: 77 },
      ],
    });
    expect(e820).toEqual([
      { start: 4n << 30n, size: 1n << 30n, type: 1 },
      { start: 0n, size: 1n << 30n, type: 1 },
      { start: 512n << 20n, size: 1n << 30n, type: 2 },
      { start: 1n << 20n, size: 0n, type: 1 },
      { start: 0xffffffffffffffffn, size: 1n, type: 77 },
    ]);
  });
  test('more than 128 e820 entries, and none', () => {
    const many = Array.from({ length: 900 }, (_, i) => ({ start: `${i}M`, size: '1M', type: 'usable' }));
    expect(config({ e820: many }).e820).toHaveLength(900);
    expect(config({ e820: [] }).e820).toEqual([]);
  });
  test('SRAT entries of every kind, with proximity domains of 32 bits and any flags', () => {
    const { srat } = config({
      srat: {
        revision: 2,
        entries: [
          { cpu: { pxm: 4294967295, apic: 3 } },
          { cpu: { pxm: 1, apic: 300 } },
          { cpu: { pxm: 1, apic: 4, x2apic: true, flags: 0 } },
          { memory: { pxm: '0x10000', start: 0, size: '2G' } },
          { memory: { pxm: 7, start: '2G', end: '0xbfffffff', flags: ['enabled', 'hotplug', 'nonvolatile'] } },
          { memory: { pxm: 7, start: '3G', size: 0, flags: '0xffffffff' } },
          { raw: { hex: '0500 0000' } },
        ],
      },
    });
    expect(srat).toEqual({
      revision: 2,
      entries: [
        { kind: 'apic', pxm: 0xffffffff, apicId: 3, flags: 1 },
        { kind: 'x2apic', pxm: 1, apicId: 300, flags: 1 },
        { kind: 'x2apic', pxm: 1, apicId: 4, flags: 0 },
        { kind: 'memory', pxm: 0x10000, start: 0n, size: 2n << 30n, flags: 1 },
        { kind: 'memory', pxm: 7, start: 2n << 30n, size: 1n << 30n, flags: 7 },
        { kind: 'memory', pxm: 7, start: 3n << 30n, size: 0n, flags: 0xffffffff },
        { kind: 'raw', bytes: Uint8Array.of(5, 0, 0, 0) },
      ],
    });
  });
  test('a SLIT that no one should believe', () => {
    expect(
      config({
        slit: [
          [20, 5],
          [0, 255],
        ],
      }).slit,
    ).toEqual([
      [20, 5],
      [0, 255],
    ]);
  });
  test('tables as bytes, left out, or made up', () => {
    const { acpi } = config({ tables: { SRAT: { hex: '53 52' }, HPET: null, OEM9: { base64: 'AAEC' } } });
    expect(acpi).toEqual({ SRAT: Uint8Array.of(0x53, 0x52), HPET: null, OEM9: Uint8Array.of(0, 1, 2) });
  });
  test('damage', () => {
    const corrupt = {
      noRsdp: true,
      checksum: ['SRAT', 'RSDP'],
      length: { SRAT: 10 },
      truncate: { APIC: 20 },
      signature: { FACP: 'PCAF', RSDP: 'RSD PTR?' },
    };
    expect(config({ corrupt }).corrupt).toEqual(corrupt);
  });
  test('CPUs: how many, or which', () => {
    expect(config({ qemu: '-m 1G', cpus: 3 }).cpus.map(({ apicId }) => apicId)).toEqual([0, 1, 2]);
    expect(config({ qemu: '-m 1G', cpus: [{ apic: 6 }, { apic: 400, present: false }] }).cpus).toEqual([
      { apicId: 6, present: true, node: null },
      { apicId: 400, present: false, node: null },
    ]);
    expect(config({ madt: { cpus: [{ apic: 2, uid: 9, flags: 2 }, { apic: 500 }] } }).madtCpus).toEqual([
      { kind: 'apic', apicId: 2, uid: 9, flags: 2 },
      { kind: 'x2apic', apicId: 500, uid: 1, flags: 1 },
    ]);
  });
});

describe('what is wrong is told with field, value and limit', () => {
  test.each<[string, unknown, string]>([
    [
      'not an object',
      [],
      'found [], wanted an object with qemu, ram, cpus, e820, srat, slit, madt, tables, xsdt, tablesAt, corrupt',
    ],
    [
      'a field that is not there',
      { sart: {} },
      'sart: no such field; there are qemu, ram, cpus, e820, srat, slit, madt, tables, xsdt, tablesAt, corrupt',
    ],
    [
      'a field of an entry',
      { e820: [{ start: 0, size: 1, type: 1, typ: 1 }] },
      'e820[0].typ: no such field; there are start, end, size, type',
    ],
    [
      'a number too large',
      { srat: { entries: [{ cpu: { pxm: 4294967296, apic: 0 } }] } },
      'srat.entries[0].cpu.pxm: 4294967296 is out of range, the limits are 0 and 4294967295',
    ],
    ['a negative number', { slit: [[-1]] }, 'slit[0][0]: -1 is out of range, the limits are 0 and 255'],
    ['a fraction', { cpus: 1.5 }, 'cpus: found 1.5, wanted a whole number, or a string such as "0x1000" or "4G"'],
    [
      'a string that is no number',
      { tablesAt: '0xzz' },
      'tablesAt: found "0xzz", wanted a whole number, or a string such as "0x1000" or "4G"',
    ],
    [
      'an address beyond 64 bits',
      { e820: [{ start: '0x10000000000000000', size: 1, type: 1 }] },
      'e820[0].start: "0x10000000000000000" is out of range, the limits are 0 and 18446744073709551615',
    ],
    [
      'size and end',
      { e820: [{ start: 0, size: 1, end: 1, type: 1 }] },
      'e820[0].size: wanted either size or e820[0].end, the last byte',
    ],
    [
      'an end before its start',
      { e820: [{ start: 4096, end: 0, type: 1 }] },
      'e820[0].end: 0x0 is below start 0x1000; for none, give size 0',
    ],
    [
      'an e820 type',
      { e820: [{ start: 0, size: 1, type: 'ram' }] },
      'e820[0].type: found "ram", wanted a number or one of usable, reserved, ACPI data, ACPI NVS, unusable, persistent, persistent (type 7), persistent (type 12), soft reserved',
    ],
    [
      'too many e820 entries',
      { e820: Array(901).fill({ start: 0, size: 1, type: 1 }) },
      'e820: 901 entries, the BIOS has room for 900',
    ],
    [
      'an SRAT entry of two kinds',
      { srat: { entries: [{ cpu: { pxm: 0, apic: 0 }, raw: { hex: '' } }] } },
      'srat.entries[0]: wanted exactly one of cpu, memory, raw',
    ],
    [
      'an SRAT flag',
      { srat: { entries: [{ cpu: { pxm: 0, apic: 0, flags: ['on'] } }] } },
      'srat.entries[0].cpu.flags[0]: found "on", wanted one of enabled, hotplug, nonvolatile',
    ],
    [
      'an APIC ID',
      { srat: { entries: [{ cpu: { pxm: 0, apic: 256, x2apic: false } }] } },
      'srat.entries[0].cpu.apic: 256 is out of range, the limit without x2apic is 255',
    ],
    ['a SLIT row', { slit: [[10, 20], [20]] }, 'slit[1]: 1 distances, wanted 2, one for each row'],
    ['a distance', { slit: [[256]] }, 'slit[0][0]: 256 is out of range, the limits are 0 and 255'],
    ['a signature', { tables: { srat: null } }, 'tables.srat: a signature is four of A-Z, 0-9, _'],
    ['a root table', { tables: { RSDT: null } }, 'tables.RSDT: holds addresses that are worked out; see corrupt'],
    [
      'hexadecimal digits',
      { tables: { SRAT: { hex: '123' } } },
      'tables.SRAT.hex: is not an even number of hexadecimal digits',
    ],
    ['base64', { tables: { SRAT: { base64: '*' } } }, 'tables.SRAT.base64: is not base64'],
    ['both', { tables: { SRAT: {} } }, 'tables.SRAT: wanted either hex or base64'],
    ['tables where no RAM is', { qemu: '-m 1G', tablesAt: '2G' }, 'tablesAt: there is no RAM at 0x80000000'],
    [
      'tables where the BIOS works',
      { tablesAt: '0x10000' },
      'tablesAt: the BIOS works at 0x10000; use 0xa0000 to 0xeffff or what is above 1 MiB',
    ],
    [
      'damage to a table that is not there',
      { qemu: '-m 1G', corrupt: { checksum: ['SLIT'] } },
      'corrupt.checksum[0]: this machine has no table "SLIT"',
    ],
    [
      'a signature of the wrong length',
      { corrupt: { signature: { APIC: 'AP' } } },
      'corrupt.signature.APIC: found "AP", wanted 4 ASCII characters',
    ],
    [
      'RAM that is not pages',
      { ram: [{ start: 0, size: '0x100001' }] },
      'ram[0]: end 0x100001 is not a multiple of 4096',
    ],
    [
      'RAM that does not begin at 0',
      { ram: [{ start: '1M', size: '1G' }] },
      'ram: the first range must begin at 0 and hold the first MiB, where the BIOS works',
    ],
    [
      'RAM out of order',
      {
        ram: [
          { start: 0, size: '2G' },
          { start: '1G', size: '1G' },
        ],
      },
      'ram[1]: begins at 0x40000000, before the end of the one before',
    ],
    [
      'RAM in the way of the ROM',
      { ram: [{ start: 0, size: '4G' }] },
      'ram[0]: runs into the ROM: RAM below 4 GiB ends at 0xff000000 at most',
    ],
    [
      'RAM beyond the machine',
      {
        ram: [
          { start: 0, size: '1G' },
          { start: '64T', size: '1G' },
        ],
      },
      'ram[1]: ends at 0x400040000000, the limit is 0x400000000000',
    ],
    ['no RAM', { ram: [] }, 'ram: is empty'],
    ['CPUs', { cpus: 0 }, 'cpus: 0 is out of range, the limits are 1 and 4096'],
    ['a switch', { xsdt: 1 }, 'xsdt: found 1, wanted true or false'],
  ])('%s', (_, value, message) => {
    expect(errors(value)).toEqual([message]);
  });

  test('all at once', () => {
    expect(errors({ cpus: 0, xsdt: 'no', slit: [[1, 2]], e820: [{ start: -1, size: 0, type: 1 }] })).toEqual([
      'e820[0].start: -1 is out of range, the limits are 0 and 18446744073709551615',
      'cpus: 0 is out of range, the limits are 1 and 4096',
      'slit[0]: 2 distances, wanted 1, one for each row',
      'xsdt: found "no", wanted true or false',
    ]);
  });
  test('a file that is not JSON, with the line', () => {
    expect(parseMachineFile('{\n  "cpus": 1,\n  "e820": }\n')).toEqual({
      errors: [expect.stringMatching(/^is not JSON: (line 3, column 11: )?Unexpected token/)],
    });
  });
  test('a file that cannot be read', () => {
    expect(readMachineFile('/nonexistent/machine.json')).toEqual({
      errors: ['/nonexistent/machine.json: cannot be read: ENOENT'],
    });
  });
});

test('no JSON value makes an exception', () => {
  const names = ['qemu', 'ram', 'cpus', 'e820', 'srat', 'slit', 'madt', 'tables', 'xsdt', 'tablesAt', 'corrupt'];
  const inner = fc.dictionary(
    fc.constantFrom(
      'start',
      'size',
      'end',
      'type',
      'entries',
      'cpu',
      'memory',
      'raw',
      'hex',
      'pxm',
      'cpus',
      'SRAT',
      '__proto__',
    ),
    fc.jsonValue(),
  );
  const value = fc.dictionary(fc.constantFrom(...names), fc.oneof(fc.jsonValue(), inner, fc.array(inner)));
  fc.assert(
    fc.property(fc.oneof(value, fc.jsonValue()), (json) => {
      const parsed = parseMachineFile(JSON.stringify(json));
      expect('config' in parsed || parsed.errors.length > 0).toBe(true);
    }),
    { numRuns: 300 },
  );
});
