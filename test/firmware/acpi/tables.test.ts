import { describe, expect, test } from 'vitest';
import { type MachineConfig, noCorruption } from '../../../emu/config/machine_config.ts';
import { parseQemuOptions, splitOptions } from '../../../emu/config/qemu_options.ts';
import { acpiTables } from '../../../firmware/acpi/tables.ts';
import { firmwareContents } from '../../../firmware/contents.ts';

const MiB = 0x100000;

function machine(options: string, changes: Partial<MachineConfig> = {}): MachineConfig {
  const parsed = parseQemuOptions(splitOptions(options));
  if ('errors' in parsed) throw new Error(parsed.errors.join('\n'));
  return { ...parsed.config, ...changes };
}

const table = (config: MachineConfig, name: string) => acpiTables(config).tables.find((each) => each.name === name);
const sum = (bytes: Uint8Array) => bytes.reduce((total, byte) => total + byte, 0) & 0xff;
const words = (bytes: Uint8Array, at: number) => new DataView(bytes.buffer).getUint32(at, true);

describe('how tables are found', () => {
  //  RSDP -> RSDT -> FACP -> FACS, DSDT
  //               -> APIC, HPET, ...
  test('each pointer leads to a table, and every table adds up to 0', () => {
    const { tables, rsdp } = acpiTables(machine('-M q35 -m 1G'));
    const at = (address: number) => tables.find((each) => each.address === address)!;
    const rsdt = at(words(rsdp!, 16));
    const listed: string[] = [];
    for (let offset = 36; offset < rsdt.bytes.length; offset += 4) listed.push(at(words(rsdt.bytes, offset)).name);
    expect(listed).toEqual(['FACP', 'APIC', 'HPET', 'MCFG', 'WAET']);
    const fadt = at(words(rsdt.bytes, 36)).bytes;
    expect([at(words(fadt, 36)).name, at(words(fadt, 40)).name]).toEqual(['FACS', 'DSDT']);
    expect(sum(rsdp!)).toBe(0);
    for (const { name, bytes } of tables) if (name !== 'FACS') expect(sum(bytes), name).toBe(0);
  });
  test('with an XSDT, the RSDP has 36 bytes and both checksums', () => {
    const { tables, rsdp } = acpiTables(machine('-m 1G', { xsdt: true }));
    const xsdt = tables.at(-1)!;
    expect([rsdp!.length, rsdp![15], words(rsdp!, 24), xsdt.name]).toEqual([36, 2, xsdt.address, 'XSDT']);
    expect([sum(rsdp!.subarray(0, 20)), sum(rsdp!)]).toEqual([0, 0]);
    expect(xsdt.bytes.length).toBe(36 + 8 * 4);
  });
});

test('an SRAT written out by hand', () => {
  const config = machine('-m 1G', {
    srat: {
      revision: 3,
      entries: [
        { kind: 'apic', pxm: 0x01020304, apicId: 5, flags: 1 },
        { kind: 'x2apic', pxm: 0x01020304, apicId: 0x10000, flags: 1 },
        { kind: 'memory', pxm: 0x01020304, start: 0x100000000n, size: 0xffffffffffffffffn, flags: 7 },
        { kind: 'raw', bytes: Uint8Array.of(5, 2) },
      ],
    },
  });
  const hex = Buffer.from(table(config, 'SRAT')!.bytes).toString('hex');
  expect(hex.slice(0, 18)).toBe(`${Buffer.from('SRAT').toString('hex')}8200000003`);
  expect(hex.slice(72)).toBe(
    '010000000000000000000000' +
      '00100405010000000003020100000000' +
      '02180000040302010000010001000000' +
      '0000000000000000' +
      '0128040302010000' +
      '0000000001000000ffffffffffffffff' +
      '00000000070000000000000000000000' +
      '0502',
  );
});

describe('tables of a machine file', () => {
  test('bytes take the place of ours, null leaves a table out, new signatures come last', () => {
    const bytes = Uint8Array.of(1, 2, 3);
    const { tables } = acpiTables(machine('-m 1G', { acpi: { APIC: bytes, HPET: null, OEM1: bytes } }));
    expect(tables.map(({ name }) => name)).toEqual(['FACS', 'DSDT', 'FACP', 'APIC', 'WAET', 'OEM1', 'RSDT']);
    expect(tables[3]!.bytes).toEqual(bytes);
  });
  test('tables of more than 128 KiB take 256 KiB from the top of RAM', () => {
    const { tables } = acpiTables(machine('-m 1G', { acpi: { OEM1: new Uint8Array(200_000) } }));
    expect(tables[0]!.address).toBe(0x40000000 - 0x40000);
  });
});

describe('damage', () => {
  const damaged = (corrupt: Partial<typeof noCorruption>, name: string): Uint8Array => {
    const config = machine('-m 1G,slots=1,maxmem=2G', { corrupt: { ...noCorruption, ...corrupt } });
    return name === 'RSDP' ? acpiTables(config).rsdp! : table(config, name)!.bytes;
  };
  const whole = table(machine('-m 1G,slots=1,maxmem=2G'), 'SRAT')!.bytes;

  test('no RSDP', () => {
    expect(acpiTables(machine('-m 1G', { corrupt: { ...noCorruption, noRsdp: true } })).rsdp).toBeNull();
  });
  test('a wrong checksum changes that byte alone', () => {
    const bytes = damaged({ checksum: ['SRAT'] }, 'SRAT');
    expect(sum(bytes)).not.toBe(0);
    expect(bytes.map((byte, i) => (i === 9 ? whole[9]! : byte))).toEqual(whole);
    expect(sum(damaged({ checksum: ['RSDP'] }, 'RSDP'))).not.toBe(0);
  });
  test('a wrong length has a checksum that is right for it', () => {
    const bytes = damaged({ length: { SRAT: 60 } }, 'SRAT');
    expect([words(bytes, 4), sum(bytes.subarray(0, 60))]).toEqual([60, 0]);
  });
  test('a length beyond the table', () => {
    expect(words(damaged({ length: { SRAT: 0xffffffff } }, 'SRAT'), 4)).toBe(0xffffffff);
  });
  test('truncated: what is beyond reads as zero', () => {
    const bytes = damaged({ truncate: { SRAT: 50 } }, 'SRAT');
    expect(bytes.subarray(0, 50)).toEqual(whole.subarray(0, 50));
    expect(bytes.subarray(50).every((byte) => byte === 0)).toBe(true);
  });
  test('another signature', () => {
    const bytes = damaged({ signature: { SRAT: 'TARS' } }, 'SRAT');
    expect([Buffer.from(bytes).toString('latin1', 0, 4), sum(bytes)]).toEqual(['TARS', 0]);
  });
});

describe('where tables go in a machine whose map is its own', () => {
  const entry = (start: number, size: number, type: number) => ({ start: BigInt(start), size: BigInt(size), type });
  const low = entry(0, 0x9fc00, 1);
  const at = (changes: Partial<MachineConfig>) => acpiTables(machine('-m 1G', changes)).tables[0]!.address;

  test.each<[string, Partial<MachineConfig>, number]>([
    ['where the file says', { e820: [low], tablesAt: 0x200000 }, 0x200000],
    ['into ACPI data', { e820: [low, entry(2 * MiB, MiB, 3), entry(4 * MiB, MiB, 2)] }, 2 * MiB],
    ['into ACPI NVS', { e820: [low, entry(2 * MiB, MiB, 4), entry(4 * MiB, MiB, 2)] }, 2 * MiB],
    ['into the highest reserved range', { e820: [low, entry(2 * MiB, MiB, 2), entry(4 * MiB, MiB, 2)] }, 4 * MiB],
    ['not where no RAM is', { e820: [low, entry(2 * MiB, MiB, 2), entry(0xfffc0000, 0x40000, 2)] }, 2 * MiB],
    ['not where they do not fit', { e820: [low, entry(2 * MiB, 64, 3), entry(4 * MiB, MiB, 2)] }, 4 * MiB],
    ['below the BIOS if there is no such range', { e820: [low, entry(MiB, 1023 * MiB, 1)] }, 0xe1000],
    [
      'to the top of RAM if they are too large for that',
      { e820: [], acpi: { OEM1: new Uint8Array(0x10000) } },
      0x3ffe0000,
    ],
  ])('%s', (_, changes, address) => {
    expect(at(changes)).toBe(address);
  });
  test('tables that run into the BIOS are refused', () => {
    const payload = { kernel: { load: 16 * MiB, bytes: Uint8Array.of(0xf4), entry: 16 * MiB }, cmdline: '' };
    const config = machine('-m 1G', { tablesAt: 0xefff0 });
    expect(() => firmwareContents(config, payload)).toThrow(/^tablesAt: .* run into the BIOS at 0xf0000/);
  });
});
