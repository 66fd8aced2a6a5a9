// Machine files: what they say is what MachineConfig holds and what lies in RAM, and what is wrong with one is told with
// field, value and limit, all of it, never as an exception.

import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bootLab } from '../../../cli/lab.ts';
import { acpiTable, E820_TYPE_NAMES, e820Lines } from '../../../cli/oracle/firmware_view.ts';
import { type MachineConfig, noCorruption, noOverrides } from '../../../emu/config/machine_config.ts';
import { machineFromJson, parseMachineFile, readMachineFile } from '../../../emu/config/machine_file.ts';
import { tableNames, tablesBound } from '../../../emu/config/machine_file_acpi.ts';
import { E820_TYPES, LOW_RAM_LIMIT, MAX_E820_ENTRIES } from '../../../emu/config/machine_file_map.ts';
import { parseQemuOptions } from '../../../emu/config/qemu_options.ts';
import { createMachine } from '../../../emu/machine.ts';
import { PhysicalMemory } from '../../../emu/memory.ts';
import { acpiTables } from '../../../firmware/acpi/tables.ts';
import { firmwareContents } from '../../../firmware/contents.ts';
import { installFirmware } from '../../../firmware/install.ts';
import * as layout from '../../../firmware/layout.ts';
import { romRange } from '../../../firmware/rom.ts';
import { debian } from '../../../kernel/config.ts';

const MiB = 2 ** 20;
const GiB = 2 ** 30;
const payload = { kernel: { load: 16 * MiB, bytes: Uint8Array.of(0xf4), entry: 16 * MiB }, cmdline: '' };

function machine(value: unknown): MachineConfig {
  const parsed = machineFromJson(value);
  if ('errors' in parsed) throw new Error(parsed.errors.join('\n'));
  return parsed.config;
}

function qemu(...argv: string[]): MachineConfig {
  const parsed = parseQemuOptions(argv);
  if ('errors' in parsed) throw new Error(parsed.errors.join('\n'));
  return parsed.config;
}

function errors(value: unknown): readonly string[] {
  const parsed = machineFromJson(value);
  return 'errors' in parsed ? parsed.errors : [];
}

function installed(config: MachineConfig): PhysicalMemory {
  const { ram } = createMachine({ ram: config.layout.ram, rom: [], backend: 'array' });
  installFirmware({ ram }, config, payload, 'none');
  return ram;
}

describe('the hardware', () => {
  test.each([
    ['nothing said: what QEMU has without options', {}, ['-M', 'pc']],
    ['options in a list', { qemu: ['-M', 'q35', '-m', '3G'] }, ['-M', 'q35', '-m', '3G']],
    ['options in a line', { qemu: '-machine q35 -m 3G -smp "2"' }, ['-M', 'q35', '-m', '3G', '-smp', '2']],
    ['no options', { qemu: [] }, ['-M', 'pc']],
    ['by field', { machine: 'q35', ram: '1.5G', cpus: 4 }, ['-M', 'q35', '-m', '1536M', '-smp', '4']],
    ['RAM as a number', { ram: 1073741824 }, ['-M', 'pc', '-m', '1G']],
  ])('%s', (_, file, argv) => {
    expect(machine(file)).toEqual(qemu(...argv));
  });
});

describe('RAM behind a map', () => {
  //  0     640K  1M          1G      2G  +64K                 4G        6G     8G     9G
  //  |usable|     |  usable   |       |data|                   | usable  |      |usable|
  //  |============ RAM: one stretch ======|                    |== RAM ==|      |=RAM==|
  const e820 = [
    { start: '8G', size: '1G', type: 'usable' },
    { start: 0, size: '640K', type: 'usable' },
    { start: '1M', size: '1023M', type: 'usable' },
    { start: '2G', size: '64K', type: 'ACPI data' },
    { start: '3G', size: '1M', type: 'reserved' },
    { start: '4G', size: '2G', type: 'usable' },
  ];
  const above = [
    { start: 4 * GiB, end: 6 * GiB },
    { start: 8 * GiB, end: 9 * GiB },
  ];
  test('is as much as the map names, where nothing else says how much', () => {
    const { ram, below4g, above4g } = machine({ e820 }).layout;
    expect(ram).toEqual([{ start: 0, end: 2 * GiB + 0x10000 }, ...above]);
    expect([below4g, above4g]).toEqual([2 * GiB + 0x10000, 3 * GiB]);
  });
  test('is what the options say and what the map names besides', () => {
    const sized = machine({ qemu: '-m 1G', e820 }).layout;
    const low = [
      { start: 0, end: GiB },
      { start: 2 * GiB, end: 2 * GiB + 0x10000 },
    ];
    expect(sized.ram).toEqual([...low, ...above]);
    expect(machine({ ram: '1G', e820 }).layout).toEqual(sized);
    expect(sized.below4g).toBe(GiB);
  });
  test('is never less than a kernel needs, and whole pages', () => {
    expect(machine({ e820: [] }).layout.ram).toEqual([{ start: 0, end: 128 * MiB }]);
    const ragged = [{ start: '0x1ffffffff', size: 2, type: 1 }];
    expect(machine({ e820: ragged }).layout.ram[1]).toEqual({ start: 0x1fffff000, end: 0x200001000 });
  });
  test('is up to 1 TiB, and where devices are there is none, with a warning', () => {
    expect(machine({ e820: [{ start: '4G', size: '1020G', type: 1 }] }).layout.ram[1]!.end).toBe(2 ** 40);
    const parsed = machineFromJson({
      e820: [
        { start: 0, size: '8G', type: 1 },
        { start: '63T', size: '2T', type: 'soft reserved' },
        { start: '65T', size: '1T', type: 'reserved' },
      ],
    });
    expect(parsed).toMatchObject({
      warnings: [
        'e820[0]: there is no RAM between 0xfec00000 and 4 GiB',
        'e820[1]: there is no RAM above 0x400000000000 (64 TiB)',
      ],
      config: {
        layout: {
          ram: [
            { start: 0, end: LOW_RAM_LIMIT },
            { start: 4 * GiB, end: 8 * GiB },
            { start: 63 * 2 ** 40, end: 2 ** 46 },
          ],
        },
      },
    });
  });
});

describe('the map', () => {
  test('may overlap, be empty, unsorted, of any type, of any 64 bits', () => {
    const file = {
      e820: [
        { start: '4G', size: '1G', type: 1 },
        { start: 0, size: 0, type: 'usable' },
        { start: '0xfffffffffffff000', size: '0xffffffffffffffff', type: 0xffffffff },
        '[mem 0x0000000000000000-0x000000000009fbff] usable',
        'BIOS-e820: [mem 0x0000000000100000-0x00000000000fffff] ACPI NVS ',
        '0x1000-0x1fff type 20',
      ],
    };
    expect(machine(file).e820).toEqual([
      { start: 4n << 30n, size: 1n << 30n, type: 1 },
      { start: 0n, size: 0n, type: 1 },
      { start: 0xfffffffffffff000n, size: 0xffffffffffffffffn, type: 0xffffffff },
      { start: 0n, size: 0x9fc00n, type: 1 },
      { start: 0x100000n, size: 0n, type: 4 },
      { start: 0x1000n, size: 0x1000n, type: 20 },
    ]);
  });
  test.each([
    '[mem 0x0000000000001000-0x0000000000001fff] ACPI data',
    'BIOS-e820: [mem 0x0000000000001000-0x0000000000001fff] ACPI data',
    '[    0.000000] BIOS-e820: [mem 0x0000000000001000-0x0000000000001fff] ACPI data',
    '[    0.000000][    T0] BIOS-e820: [mem 0x0000000000001000-0x0000000000001fff] ACPI data',
    '[   12.345678] [mem 0x0000000000001000-0x0000000000001fff] ACPI data',
    'Nov 21 08:15:42 host kernel: BIOS-e820: [mem 0x0000000000001000-0x0000000000001fff] ACPI data',
  ])('takes a line of a boot log: %s', (line) => {
    expect(machine({ e820: [line] }).e820).toEqual([{ start: 0x1000n, size: 0x1000n, type: 3 }]);
  });
  test('has the names of types that a boot log has, and as many entries as the BIOS has room for', () => {
    expect(Object.entries(E820_TYPES).filter(([name, type]) => E820_TYPE_NAMES[type] !== name)).toEqual([]);
    expect(MAX_E820_ENTRIES).toBe(layout.MAX_E820_ENTRIES);
    expect(LOW_RAM_LIMIT).toBeLessThan(layout.ROM_END - layout.MAX_ROM_SIZE);
  });
  test('lies in boot_params entry for entry, those after the 128th in setup_data', () => {
    const e820 = Array.from({ length: 300 }, (_, i) => ({ start: i * MiB, size: '4K', type: (i % 7) + 1 }));
    const lines = e820.map(({ start, type }) => ({
      start: BigInt(start),
      end: BigInt(start) + 0xfffn,
      type: E820_TYPE_NAMES[type] ?? `type ${type}`,
    }));
    expect(e820Lines(installed(machine({ e820 })), layout.BOOT_PARAMS)).toEqual(lines);
  });
});

describe('tables', () => {
  const file = {
    ram: '512M',
    srat: [
      { kind: 'apic', apicId: 3, pxm: '0x12345678' },
      { kind: 'x2apic', apicId: '0x1000', pxm: 2, flags: [] },
      { kind: 'memory', pxm: 7, start: '1G', size: 0, flags: ['enabled', 'hotplug', 'non-volatile'] },
      { kind: 'memory', pxm: 0xffffffff, start: '0xfffffffffffff000', size: '0xffffffffffffffff', flags: 0x80000001 },
      { kind: 'raw', hex: '05 02' },
    ],
    slit: [
      [255, 0],
      [9, 20],
    ],
    madt: [
      { kind: 'apic', apicId: 9 },
      { kind: 'x2apic', apicId: 300, uid: '0xdead', flags: ['online-capable'] },
    ],
  };
  const config = machine(file);

  test('by their contents', () => {
    expect(config.srat).toEqual({
      revision: 3,
      entries: [
        { kind: 'apic', pxm: 0x12345678, apicId: 3, flags: 1 },
        { kind: 'x2apic', pxm: 2, apicId: 4096, flags: 0 },
        { kind: 'memory', pxm: 7, start: 1n << 30n, size: 0n, flags: 7 },
        { kind: 'memory', pxm: 0xffffffff, start: 0xfffffffffffff000n, size: 2n ** 64n - 1n, flags: 0x80000001 },
        { kind: 'raw', bytes: Uint8Array.of(5, 2) },
      ],
    });
    expect(config.slit).toEqual([
      [255, 0],
      [9, 20],
    ]);
    expect(config.madtCpus).toEqual([
      { kind: 'apic', apicId: 9, uid: 0, flags: 1 },
      { kind: 'x2apic', apicId: 300, uid: 0xdead, flags: 2 },
    ]);
    expect(machine({ srat: { revision: 1, entries: [] } }).srat).toEqual({ revision: 1, entries: [] });
  });
  test('byte for byte in RAM', () => {
    const ram = installed(config);
    const bytes = (signature: string, from: number, to?: number) =>
      Buffer.from(acpiTable(ram, signature)!.subarray(from, to)).toString('hex');
    expect(bytes('SRAT', 48)).toBe(
      [
        '00107803010000000056341200000000',
        '021800000200000000100000000000000000000000000000',
        '0128070000000000000000400000000000000000000000000000000007000000',
        '0000000000000000',
        '0128ffffffff000000f0ffffffffffffffffffffffffffff0000000001000080',
        '0000000000000000',
        '0502',
      ].join(''),
    );
    expect(bytes('SLIT', 36)).toBe('0200000000000000ff000914');
    expect(bytes('APIC', 44, 68)).toBe(`${'0008000901000000'}${'091000002c01000002000000adde0000'}`);
    expect(acpiTable(ram, 'SRAT')!.reduce((sum, byte) => (sum + byte) & 0xff, 0)).toBe(0);
  });
  test('as bytes, left out, or added', () => {
    const { acpi } = machine({
      tables: { SRAT: { hex: ['53 52', '4154'] }, HPET: null, 'OEM?': { base64: 'AAEC\n/w==' } },
    });
    expect(acpi).toEqual({
      SRAT: Uint8Array.of(0x53, 0x52, 0x41, 0x54),
      HPET: null,
      'OEM?': Uint8Array.of(0, 1, 2, 255),
    });
  });
  test('at an address, with an XSDT', () => {
    const config = machine({ ram: '512M', xsdt: true, tablesAt: '100M', slit: [[10]] });
    expect(config).toEqual({
      ...qemu('-M', 'pc', '-m', '512M'),
      xsdt: true,
      tablesAt: 100 * MiB,
      slit: [[10]],
    });
    expect(acpiTables(config).tables[0]!.address).toBe(100 * MiB);
    expect(acpiTable(installed(config), 'SLIT')).toHaveLength(45);
  });
  test('in a map of their own lie in its ACPI data', () => {
    const e820 = [
      { start: 0, size: '1G', type: 'usable' },
      { start: '1G', size: '64K', type: 'ACPI data' },
    ];
    expect(acpiTables(machine({ e820 })).tables[0]!.address).toBe(GiB);
  });
  test.each<[string, unknown]>([
    ['least', { qemu: '-M pc,hpet=off' }],
    ['most', { machine: 'q35', xsdt: true, srat: [], slit: [], tables: { OEM1: { hex: '00' }, WAET: null } }],
    [
      'nodes',
      {
        qemu: '-M q35 -m 1G -object memory-backend-ram,id=m,size=1G -numa node,memdev=m -numa dist,src=0,dst=0,val=10',
      },
    ],
    ['many CPUs', { qemu: '-M q35 -m 1G,slots=9,maxmem=2G -smp 288' }],
  ])('are those that corruptions may name, and no larger than reckoned: %s', (_, value) => {
    const config = machine(value);
    const made = acpiTables(config);
    expect(tableNames(config).sort()).toEqual(['RSDP', ...made.tables.map(({ name }) => name)].sort());
    expect(made.size).toBeLessThanOrEqual(tablesBound(config));
  });
});

describe('damage', () => {
  const corrupt = {
    noRsdp: false,
    checksum: ['SRAT', 'RSDP'],
    length: { APIC: 10 },
    truncate: { SRAT: 40 },
    signature: { FACP: 'PCAF', RSDP: 'RSD PTR?' },
  };
  const file = { ram: '512M', srat: [{ kind: 'apic', apicId: 0, pxm: 1 }], corrupt };
  test('is taken as it is said, what is not said is whole', () => {
    expect(machine(file).corrupt).toEqual(corrupt);
    expect(machine({ corrupt: { noRsdp: true } }).corrupt).toEqual({ ...noCorruption, noRsdp: true });
    expect(machine({ corrupt: {} }).corrupt).toEqual(noOverrides.corrupt);
  });
  test('is in the bytes', () => {
    const ram = installed(machine(file));
    const { tables } = acpiTables(machine(file));
    const at = (name: string) => tables.find((table) => table.name === name)!.address;
    const sum = (pa: number, size: number) => ram.read(pa, size).reduce((all, byte) => (all + byte) & 0xff, 0);
    expect(Buffer.from(ram.read(layout.BIOS_BASE + layout.RSDP, 8)).toString()).toBe('RSD PTR?');
    expect(Buffer.from(ram.read(at('FACP'), 4)).toString()).toBe('PCAF');
    expect(ram.u32(at('APIC') + 4)).toBe(10);
    expect(ram.u32(at('SRAT') + 4)).toBe(64);
    expect(sum(at('SRAT'), 64)).not.toBe(0);
    expect(ram.read(at('SRAT') + 40, 24)).toEqual(new Uint8Array(24));
    expect(acpiTables(machine({ corrupt: { noRsdp: true } })).rsdp).toBe(null);
  });
});

const FIELDS = 'about, qemu, machine, ram, cpus, e820, srat, slit, madt, tables, xsdt, tablesAt, corrupt';
const NUMBER = 'a number such as 4096, "0x1000" or "4G"';
const LINE = 'an object with start, size, type or a line such as "[mem 0x0-0x9fbff] usable"';
const TYPES =
  'a number and usable, reserved, ACPI data, ACPI NVS, unusable, persistent (type 7), persistent (type 12), soft reserved';
const e820 = (entry: unknown) => ({ e820: [entry] });
const memory = (more: object) => ({ srat: [{ kind: 'memory', pxm: 0, start: 0, size: 0, ...more }] });

describe('what is wrong is told with field, value and limit', () => {
  const rows: readonly (readonly [unknown, ...string[]])[] = [
    [3, 'expected an object with the fields of a machine'],
    [null, 'expected an object with the fields of a machine'],
    [{ rma: '4G' }, `rma: no such field, there are ${FIELDS}`],
    [{ 'a\nb': 1 }, `"a\\nb": no such field, there are ${FIELDS}`],
    [{ about: 1 }, 'about: expected a string, found 1'],
    [{ qemu: 4 }, 'qemu: expected a list, found 4'],
    [{ qemu: ['-m', 4] }, 'qemu[1]: expected a string, found 4'],
    [
      { qemu: ['-m', '4X', '-smp', '0'] },
      ...qemuRefusals('-M', 'pc', '-m', '4X', '-smp', '0').map((t) => `qemu: ${t}`),
    ],
    [
      { qemu: [], ram: '1G', cpus: 2 },
      'ram: qemu already describes the hardware',
      'cpus: qemu already describes the hardware',
    ],
    [{ machine: 'virt' }, 'machine, ram, cpus: unsupported machine type; The machines are pc and q35'],
    [{ ram: '4Q' }, `ram: expected ${NUMBER}, found "4Q"`],
    [{ cpus: 1.5 }, `cpus: expected ${NUMBER}, found 1.5`],
    [{ ram: 2 ** 60 }, 'ram: 1152921504606847000 is not exact above 2^53, write it as a string'],
    [e820(null), `e820[0]: expected ${LINE}, found null`],
    [e820('0x0 usable'), `e820[0]: expected ${LINE}, found "0x0 usable"`],
    [e820('[mem 0x1000-0x0] usable'), 'e820[0]: its end 0x0 is below its start 0x1000'],
    [e820('[mem 0x0-0xffffffffffffffff] usable'), 'e820[0]: 2^64 bytes are above the limit of 2^64 - 1'],
    [e820('[mem 0x0-0x1000] usabel'), `e820[0]: no type is named "usabel", there are ${TYPES}`],
    [e820({ start: 0, size: 1, type: 'toString' }), `e820[0].type: no type is named "toString", there are ${TYPES}`],
    [
      e820({ start: 0, size: 1, type: 'type 4294967296' }),
      'e820[0].type: type 4294967296 is above the limit of 0xffffffff',
    ],
    [e820({ start: 0, size: 1, type: 2 ** 32 }), 'e820[0].type: 0x100000000 is above the limit of 0xffffffff'],
    [e820({ start: -1, size: 1, type: 1 }), 'e820[0].start: -1 is below the limit of 0'],
    [e820({ start: '16E', size: 1, type: 1 }), 'e820[0].start: "16E" is above the limit of 0xffffffffffffffff'],
    [e820({ start: 0, type: 1 }), `e820[0].size: missing: ${NUMBER}`],
    [
      e820({ start: 0, size: 1, typ: 1 }),
      'e820[0].typ: no such field, there are start, size, type',
      `e820[0].type: missing: ${NUMBER}`,
    ],
    [{ e820: Array(901).fill('[mem 0x0-0x0] usable') }, 'e820: 901 entries are above the limit of 900'],
    [{ srat: 'SRAT' }, 'srat: expected a list of entries, or an object with revision, entries, found "SRAT"'],
    [
      { srat: { revision: 256, entries: {} } },
      'srat.revision: 256 is above the limit of 255',
      'srat.entries: expected a list, found an object',
    ],
    [{ srat: [[]] }, 'srat[0]: expected an object with a kind, one of apic, x2apic, memory, raw, found a list'],
    [{ srat: [{ kind: 'gicc' }] }, 'srat[0].kind: expected one of apic, x2apic, memory, raw, found "gicc"'],
    [
      { srat: [{ kind: 'apic', pxm: 2 ** 32, apicId: 256 }] },
      'srat[0].pxm: 0x100000000 is above the limit of 0xffffffff',
      'srat[0].apicId: 256 is above the limit of 255',
    ],
    [memory({ apicId: 1 }), 'srat[0].apicId: no such field, there are kind, pxm, start, size, flags'],
    [memory({ flags: ['warm'] }), 'srat[0].flags[0]: expected one of enabled, hotplug, non-volatile, found "warm"'],
    [memory({ flags: true }), `srat[0].flags: expected ${NUMBER}, found true`],
    [
      { slit: [[10, 300], [10]] },
      'slit[0][1]: 300 is above the limit of 255',
      'slit[1]: 1 distances, a matrix of 2 rows has 2',
    ],
    [{ slit: [10] }, 'slit[0]: expected a list of distances, found 10'],
    [
      { madt: [{ kind: 'apic', apicId: 300, uid: 300 }] },
      'madt[0].apicId: 300 is above the limit of 255',
      'madt[0].uid: 300 is above the limit of 255',
    ],
    [
      { madt: [{ kind: 'apic', apicId: 0, flags: ['hotplug'] }] },
      'madt[0].flags[0]: expected one of enabled, online-capable, found "hotplug"',
    ],
    [{ tables: [] }, 'tables: expected an object of tables by signature, found a list'],
    [{ tables: { RSDT: null } }, 'tables.RSDT: the firmware makes it out of the others, it can only be corrupted'],
    [{ tables: { toolong: null } }, 'tables.toolong: a signature has four characters of ASCII'],
    [
      { tables: { OEM1: null } },
      'tables.OEM1: there is none to leave out, there are FACS, DSDT, FACP, APIC, HPET, SRAT, SLIT, HMAT, MCFG, WAET',
    ],
    [{ tables: { SRAT: 'AAAA' } }, 'tables.SRAT: expected an object with hex, base64, found "AAAA"'],
    [{ tables: { SRAT: { hex: '123' } } }, 'tables.SRAT.hex: not pairs of hexadecimal digits'],
    [{ tables: { SRAT: { base64: 'AAA' } } }, 'tables.SRAT.base64: not base64'],
    [{ tables: { SRAT: { hex: '', base64: '' } } }, 'tables.SRAT: expected its bytes as either hex or base64'],
    [{ srat: [], tables: { SRAT: null } }, 'srat: tables.SRAT already says all of that table'],
    [{ xsdt: 'yes' }, 'xsdt: expected true or false, found "yes"'],
    [{ tablesAt: '0x1000' }, 'tablesAt: 0x1000 is below the limit of 0x100000'],
    [
      { tablesAt: '5G' },
      'tablesAt: 0x140000000 is above the limit of 0xfec00000',
      'tablesAt: 0x0 is below the limit of 0x100000',
    ],
    [{ tablesAt: '1G' }, 'tablesAt: there is no RAM at 0x40000000'],
    [{ corrupt: 1 }, 'corrupt: expected an object with noRsdp, checksum, length, truncate, signature, found 1'],
    [
      { corrupt: { checksum: ['SLIT'] } },
      'corrupt.checksum[0]: no such table, there are RSDP, RSDT, FACS, DSDT, FACP, APIC, HPET, WAET',
    ],
    [
      { corrupt: { checksum: ['FACS', 7] } },
      'corrupt.checksum[0]: it has no checksum',
      'corrupt.checksum[1]: expected a string, found 7',
    ],
    [{ corrupt: { length: { RSDP: 9 } } }, 'corrupt.length.RSDP: it has a length only with "xsdt": true'],
    [{ corrupt: { length: { APIC: '4G' } } }, 'corrupt.length.APIC: 0x100000000 is above the limit of 0xffffffff'],
    [{ corrupt: { truncate: [] } }, 'corrupt.truncate: expected an object by table, found a list'],
    [
      { corrupt: { signature: { APIC: 'API', FACP: 'F\u00fcnf' } } },
      'corrupt.signature.APIC: 3 characters, a signature has 4',
      'corrupt.signature.FACP: not ASCII',
    ],
  ];
  test.each(rows.map(([value, ...lines]) => ({ value, lines, first: lines[0]! })))('$first', ({ value, lines }) => {
    expect(errors(value)).toEqual(lines);
  });
  test('more bytes than a ROM holds', () => {
    expect(errors({ tables: { SRAT: { hex: '00'.repeat(0x800000) } } })).toEqual([
      'tables: about 8392916 bytes with all entries, the limit is 8388608',
    ]);
  });

  function qemuRefusals(...argv: string[]): string[] {
    const parsed = parseQemuOptions(argv);
    return 'errors' in parsed ? parsed.errors.map((text) => text.replaceAll('\n', '; ')) : [];
  }

  test('all problems of a file at once', () => {
    expect(
      errors({ qemu: '-smp 999', srat: [{ kind: 'raw' }], e820: [{ start: 'x', size: 'y', type: 'z' }], xsdt: 1 }),
    ).toEqual([
      ...qemuRefusals('-M', 'pc', '-smp', '999').map((text) => `qemu: ${text}`),
      `e820[0].start: expected ${NUMBER}, found "x"`,
      `e820[0].size: expected ${NUMBER}, found "y"`,
      `e820[0].type: no type is named "z", there are ${TYPES}`,
      'srat[0]: expected its bytes as either hex or base64',
      'xsdt: expected true or false, found 1',
    ]);
  });
  test('the file, and where in it JSON ends', () => {
    expect(parseMachineFile('{ "xsdt": 1 }', 'm.json')).toEqual({
      errors: ['m.json: xsdt: expected true or false, found 1'],
    });
    const [line] = (parseMachineFile('{\n  "ram": 1,\n}', 'm.json') as { errors: string[] }).errors;
    expect(line).toMatch(/^m\.json: (line 3, column 1: )?not JSON: [a-z][^\n]*$/);
    expect(parseMachineFile('', 'm.json')).toMatchObject({ errors: [expect.stringMatching(/^m\.json: not JSON: /)] });
    expect(readMachineFile('/nonexistent/machine.json')).toEqual({
      errors: ['/nonexistent/machine.json: cannot be read (ENOENT)'],
    });
  });
  test('a list in a list in a list, and so on, is no reason to fall over', () => {
    const deep = `${'['.repeat(100000)}${']'.repeat(100000)}`;
    expect(parseMachineFile(`{ "ram": ${deep} }`, 'm.json')).toEqual({
      errors: [`m.json: ram: expected ${NUMBER}, found a list`],
    });
  });
});

const word = fc.constantFrom(
  '0',
  '4K',
  '1G',
  '3G',
  '4G',
  '0xffffffffffffffff',
  'SRAT',
  'usable',
  'apic',
  'memory',
  'raw',
  '00ff',
);
const leaf = fc.oneof(word, fc.nat(300), fc.constantFrom(-1, 2 ** 32, 2 ** 60, 0.5), fc.boolean(), fc.constant(null));
const key = fc.constantFrom(
  ...FIELDS.split(', '),
  ...['start', 'size', 'type', 'kind', 'pxm', 'apicId', 'uid', 'flags', 'entries', 'revision', 'hex', 'base64'],
  ...['noRsdp', 'checksum', 'length', 'truncate', 'signature', 'SRAT', 'RSDP', 'APIC', '__proto__', 'toString'],
);
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('tree'), { maxLength: 4 }),
    fc.dictionary(key, tie('tree'), { maxKeys: 6 }),
  ),
}));

describe('any JSON', () => {
  test('is a machine or a list of lines, never an exception', () => {
    fc.assert(
      fc.property(fc.oneof(fc.dictionary(key, tree), fc.jsonValue()), (value) => {
        const parsed = parseMachineFile(JSON.stringify(value), 'm');
        if ('errors' in parsed) {
          expect(parsed.errors).not.toEqual([]);
          for (const line of parsed.errors) expect(line).toMatch(/^m: [^\n]+$/);
        }
      }),
      { numRuns: 500 },
    );
  });

  const u64 = fc.oneof(
    fc.constantFrom('0', '4K', '640K', '1M', '2G', '3G', '4G', '1T', '64T', '0xffffffffffffffff'),
    fc.nat(2 ** 31 - 1),
  );
  const entry = fc.record({ start: u64, size: u64, type: fc.constantFrom(1, 2, 3, 4, 7, 99) });
  const sratEntry = fc.oneof(
    fc.record({ kind: fc.constant('apic'), apicId: fc.nat(255), pxm: fc.nat(2 ** 31), flags: fc.nat(7) }),
    fc.record({ kind: fc.constant('memory'), pxm: fc.nat(300), start: u64, size: u64, flags: fc.nat(7) }),
    fc.record({ kind: fc.constant('raw'), hex: fc.constantFrom('', '00', '0102', '0128ffffffff') }),
  );
  const table = fc.oneof(fc.constant(null), fc.record({ hex: fc.constantFrom('', '00', '53524154', '00'.repeat(60)) }));
  const number = fc.dictionary(fc.constantFrom('APIC', 'RSDT', 'FACP', 'RSDP'), fc.nat(100));
  const file = fc.record(
    {
      machine: fc.constantFrom('pc', 'q35'),
      ram: fc.constantFrom('1M', '8M', '128M', '3584M', '4G'),
      e820: fc.array(entry, { maxLength: 10 }),
      srat: fc.array(sratEntry, { maxLength: 10 }),
      slit: fc.constantFrom(
        [],
        [[1]],
        [
          [10, 20],
          [20, 10],
        ],
      ),
      tables: fc.dictionary(fc.constantFrom('HPET', 'DSDT', 'WAET', 'FACS'), table),
      xsdt: fc.constant(true),
      corrupt: fc.record({ truncate: number, length: number.filter((by) => !('RSDP' in by)) }),
    },
    { requiredKeys: [] },
  );
  test('that makes a machine makes firmware that fits into it', () => {
    let machines = 0;
    fc.assert(
      fc.property(file, (value) => {
        const parsed = machineFromJson(value);
        if ('errors' in parsed) throw new Error(parsed.errors.join('\n'));
        const contents = firmwareContents(parsed.config, payload);
        const memory = new PhysicalMemory(parsed.config.layout.ram, [romRange(contents)]);
        expect(memory.ram[0]!.end).toBeGreaterThanOrEqual(MiB);
        machines++;
      }),
      { numRuns: 300 },
    );
    expect(machines).toBe(300);
  });
});

describe('docs/machines', () => {
  const folder = new URL('../../../docs/machines/', import.meta.url);
  const load = (name: string): MachineConfig => {
    const parsed = readMachineFile(fileURLToPath(new URL(name, folder)));
    if ('errors' in parsed) throw new Error(parsed.errors.join('\n'));
    expect(parsed.warnings).toEqual([]);
    return parsed.config;
  };
  test('holds these, and no others', () => {
    expect(readdirSync(folder).sort()).toEqual(['broken.json', 'interleaved.json', 'laptop.json']);
  });
  test('laptop.json: the map in RAM, tables in its ACPI data', () => {
    const config = load('laptop.json');
    const lines = e820Lines(installed(config), layout.BOOT_PARAMS);
    expect(lines).toHaveLength(13);
    expect(lines[5]).toEqual({ start: 0x79b1d000n, end: 0x79b9cfffn, type: 'ACPI data' });
    expect(config.layout.ram).toEqual([
      { start: 0, end: 0x79c1d000 },
      { start: 4 * GiB, end: 0x47e000000 },
    ]);
    expect(acpiTables(config).tables[0]!.address).toBe(0x79b1d000);
    expect(config.cpus).toHaveLength(4);
  });
  test('interleaved.json: seven stretches of memory of two domains', () => {
    const srat = acpiTable(installed(load('interleaved.json')), 'SRAT')!;
    expect(srat).toHaveLength(48 + 2 * 16 + 7 * 40);
    const domains = Array.from({ length: 7 }, (_, i) => srat[48 + 32 + i * 40 + 2]);
    expect(domains).toEqual([7, 42, 7, 42, 7, 42, 7]);
  });
  test('broken.json: as broken as it says', () => {
    const config = load('broken.json');
    const ram = installed(config);
    expect(e820Lines(ram, layout.BOOT_PARAMS).map(({ start }) => start)).toEqual([
      0x100000n,
      0n,
      0x10000000n,
      0x10800000n,
      0x40000000n,
      0xf0000n,
      0xc0000000n,
    ]);
    expect(acpiTable(ram, 'SRAT')!.subarray(100)).toEqual(new Uint8Array(60));
    expect([...acpiTable(ram, 'SLIT')!.subarray(44)]).toEqual([20, 10, 10, 20]);
    expect(acpiTable(ram, 'HPET')).toBe(null);
    expect(acpiTable(ram, 'OEM1')!.reduce((sum, byte) => (sum + byte) & 0xff, 0)).not.toBe(0);
  });

  // Early node ranges of the kernel: what became of the map and the SRAT.
  test.each([
    [
      'laptop.json',
      'No NUMA configuration found',
      ['0: 0x1000-0x9efff', '0: 0x100000-0x76f1cfff', '0: 0x79b9d000-0x79c1cfff', '0: 0x100000000-0x47dffffff'],
    ],
    [
      'interleaved.json',
      'ACPI: SRAT: Node 1 PXM 42 [mem 0x40000000-0x7fffffff]',
      [
        ...['0: 0x1000-0x9efff', '0: 0x100000-0x3fffffff', '1: 0x40000000-0x7fffffff', '0: 0x80000000-0xbffdffff'],
        ...['1: 0x100000000-0x13fffffff', '0: 0x140000000-0x17fffffff', '1: 0x180000000-0x1bfffffff'],
      ],
    ],
    [
      'broken.json',
      'ACPI: SLIT table looks invalid. Not used.',
      ['0: 0x1000-0x9efff', '0: 0x100000-0xfffffff', '0: 0x11800000-0x7fefffff'],
    ],
  ])('%s boots: %s', (name, line, ranges) => {
    const { kernel, stopped } = bootLab({
      machine: load(name),
      kernel: debian,
      cmdline: '',
      firmware: 'none',
      until: 'setup_arch',
    });
    const lines = kernel.log.records.map(({ text }) => text);
    expect(stopped).toBe(null);
    expect(lines).toContain(line);
    const early = lines.flatMap((text) => /^ {2}node +(\d+): \[mem 0x0*(\w+)-0x0*(\w+)\]/.exec(text)?.slice(1) ?? []);
    const found = Array.from({ length: early.length / 3 }, (_, i) => early.slice(i * 3, i * 3 + 3));
    expect(found.map(([node, start, end]) => `${node}: 0x${start}-0x${end}`)).toEqual(ranges);
  });
});
