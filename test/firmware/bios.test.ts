// The BIOS on the emulated CPU, from the reset vector: what it leaves in RAM is what installFirmware() leaves there
// without a CPU, and its interrupts answer as the interfaces say.

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type E820Entry, type MachineConfig, noOverrides } from '../../emu/config/machine_config.ts';
import { parseQemuOptions, splitOptions } from '../../emu/config/qemu_options.ts';
import { createMachine, type Machine } from '../../emu/machine.ts';
import { firmwareContents } from '../../firmware/contents.ts';
import { installFirmware, type Payload, romOf } from '../../firmware/install.ts';
import {
  BIOS_BASE,
  BOOT_PARAMS,
  BOOT_PARAMS_SIZE,
  bootParams,
  CMDLINE,
  EBDA,
  RESET_VECTOR,
  SETTINGS,
  SETUP_DATA,
} from '../../firmware/layout.ts';
import { assemble } from '../support/asm.ts';

const MiB = 0x100000;
const LOAD = 16 * MiB;
/** hlt; jmp back */
const KERNEL = Uint8Array.of(0xf4, 0xeb, 0xfd);
const payload: Payload = {
  kernel: { load: LOAD, bytes: KERNEL, entry: LOAD },
  cmdline: 'console=ttyS0 memblock=debug',
};

function options(text: string): MachineConfig {
  const parsed = parseQemuOptions(splitOptions(text));
  if ('errors' in parsed) throw new Error(parsed.errors.join('\n'));
  return parsed.config;
}

function boot(config: MachineConfig, what: Payload = payload) {
  let serial = '';
  const machine = createMachine({
    ram: config.layout.ram,
    rom: romOf(config, what, 'bios'),
    backend: 'unicorn',
    onSerial: (text) => {
      serial += text;
    },
  });
  expect(installFirmware(machine, config, what, 'bios')).toEqual({ boot_params: null });
  machine.cpu!.reset();
  const end = machine.cpu!.run();
  return { machine, end, serial: () => serial };
}

/** Everything that one machine's firmware leaves for a kernel, as ranges of RAM. */
function leftInRam(machine: Machine, config: MachineConfig): Record<string, string> {
  const contents = firmwareContents(config, payload);
  const ranges: Record<string, [number, number]> = {
    boot_params: [BOOT_PARAMS, BOOT_PARAMS_SIZE],
    setup_data: [SETUP_DATA, 0x5000],
    'command line': [CMDLINE, 0x100],
    'COM1 and EBDA in the BIOS data area': [0x400, 0x15],
    EBDA: [EBDA, 0x10],
    'BIOS segment up to its settings': [BIOS_BASE, SETTINGS],
    kernel: [LOAD, KERNEL.length],
  };
  for (const { address, bytes } of contents.post) ranges[`at ${address.toString(16)}`] = [address, bytes.length];
  const hex = ([at, size]: [number, number]) => Buffer.from(machine.ram.read(at, size)).toString('hex');
  return Object.fromEntries(Object.entries(ranges).map(([name, range]) => [name, hex(range)]));
}

const entry = (start: number, size: number, type: number): E820Entry => ({
  start: BigInt(start),
  size: BigInt(size),
  type,
});
const withMap = (e820: readonly E820Entry[]): MachineConfig => ({ ...options('-m 64M'), ...noOverrides, e820 });

describe('the ROM leaves in RAM what TypeScript leaves there without it', () => {
  test.each<[string, MachineConfig]>([
    ['the default machine', options('')],
    [
      'q35 with distances and slots',
      options('-M q35 -m 3G,slots=2,maxmem=8G -smp 4 -object memory-backend-ram,id=m0,size=3G -numa node,memdev=m0'),
    ],
    ['32 MiB', options('-m 32M')],
    ['a hole at 15 MiB', withMap([entry(0, 0x9fc00, 1), entry(MiB, 14 * MiB, 1), entry(16 * MiB, 48 * MiB, 1)])],
    ['an empty map', withMap([])],
    ['one entry', withMap([entry(0, 64 * MiB, 1)])],
    ['127 entries', withMap(Array.from({ length: 127 }, (_, i) => entry(i * MiB, MiB, 1 + (i % 5))))],
    ['128 entries', withMap(Array.from({ length: 128 }, (_, i) => entry(i * MiB, MiB, 1 + (i % 5))))],
    ['129 entries', withMap(Array.from({ length: 129 }, (_, i) => entry(i * MiB, MiB, 1 + (i % 5))))],
    ['900 entries', withMap(Array.from({ length: 900 }, (_, i) => entry(i * MiB, MiB, 1 + (i % 5))))],
    ['no RSDP', { ...options('-m 64M'), corrupt: { ...noOverrides.corrupt, noRsdp: true } }],
    ['an XSDT', { ...options('-m 64M'), xsdt: true }],
  ])('%s', (_, config) => {
    const { machine, end, serial } = boot(config);
    const plain = createMachine({ ram: config.layout.ram, backend: 'array' });
    expect(installFirmware(plain, config, payload, 'none')).toEqual({ boot_params: BOOT_PARAMS });
    expect(serial()).toBe('');
    expect(end).toBe('halted');
    expect(machine.cpu!.get('rsi')).toBe(BigInt(BOOT_PARAMS));
    expect(machine.cpu!.get('rip')).toBe(BigInt(LOAD + 1));
    expect(machine.cpu!.get('cr0') & 0x80000001n).toBe(0x80000001n);
    expect(leftInRam(machine, config)).toEqual(leftInRam(plain, config));
    machine.close();
  });
});

describe('a machine that cannot boot says so on the serial port and halts', () => {
  //   16 MiB         48 MiB         64 MiB - 128 KiB   64 MiB
  //     bytes | .bss .. end               tables and SMBIOS
  const sized = (end: number): Payload => ({ ...payload, kernel: { ...payload.kernel, end } });
  const q35 = '-M q35 -m 64M';
  test.each<[string, MachineConfig, Payload, string | null]>([
    ['no RAM for its bytes', options('-m 8M'), payload, '0x1000003'],
    ['no RAM for all that it takes', options('-m 40M'), sized(48 * MiB), '0x3000000'],
    ['room up to the tables', options('-m 64M'), sized(64 * MiB - 0x20000), null],
    ['a byte more than that', options('-m 64M'), sized(64 * MiB - 0x1ffff), '0x3fe0001'],
    ['room up to what q35 takes below them', options(q35), sized(64 * MiB - 0x21000), null],
    ['a byte more than that', options(q35), sized(64 * MiB - 0x20fff), '0x3fdf001'],
    ['tables in its midst', { ...options('-m 64M'), tablesAt: 20 * MiB }, sized(24 * MiB), '0x1800000'],
    ['a number with zeros in it', options('-m 64M'), sized(0x400f0a0), '0x400f0a0'],
  ])('the kernel: %s', (_, config, what, needed) => {
    const { machine, serial } = boot(config, what);
    const text = `the kernel needs free RAM up to ${needed}`;
    expect(serial()).toBe(needed === null ? '' : `BIOS: ${text}\r\n`);
    expect(machine.cpu!.get('rsi') === BigInt(BOOT_PARAMS)).toBe(needed === null);
    machine.close();

    const plain = createMachine({ ram: config.layout.ram, backend: 'array' });
    const install = () => installFirmware(plain, config, what, 'none');
    if (needed === null) expect(install).not.toThrow();
    else expect(install).toThrow(new RangeError(`the firmware cannot boot: ${text}`));
  });
  test('no RAM for the ACPI tables', () => {
    const { machine, serial } = boot({ ...options('-m 64M'), tablesAt: 0x80000000 });
    expect(serial()).toBe('BIOS: no RAM where the ACPI tables should go\r\n');
    expect(machine.cpu!.get('rsi')).toBe(BigInt(BOOT_PARAMS));
    machine.close();
  });
});

test('the kernel that is built, head_64, is entered and halts on a stack of its own', () => {
  const bytes = new Uint8Array(readFileSync(new URL('../../build/head_64.bin', import.meta.url)));
  const { machine } = boot(options('-m 64M'), { ...payload, kernel: { load: LOAD, bytes, entry: LOAD } });
  expect(machine.cpu!.get('rsi')).toBe(BigInt(BOOT_PARAMS));
  expect(machine.cpu!.get('rsp')).toBe(BigInt(LOAD + bytes.length));
  machine.close();
});

describe('interrupts', () => {
  const map = [entry(0, 0x9fc00, 1), entry(MiB, 63 * MiB, 1), entry(0xfffc0000, 0x40000, 2)];
  const BUFFER = 0x9000;
  let machine: Machine;
  let serial = '';

  beforeAll(() => {
    const config = withMap(map);
    machine = createMachine({
      ram: config.layout.ram,
      rom: romOf(config, payload, 'bios'),
      backend: 'unicorn',
      onSerial: (text) => {
        serial += text;
      },
    });
    installFirmware(machine, config, payload, 'bios');
    machine.cpu!.reset();
    machine.cpu!.run();
    // From now on reset leads to the program of a test; vectors and BIOS stay in RAM.
    machine.ram.program(0xffff0000 + RESET_VECTOR, assemble('jmp 0:0x7c00', RESET_VECTOR, 16));
  });
  afterAll(() => machine.close());

  /** Runs real-mode code; flags are in bp at the end. */
  function run(code: string) {
    serial = '';
    machine.ram.fill(BUFFER, 64, 0xcc);
    const setup = 'xor ax, ax\n mov ds, ax\n mov es, ax\n mov ss, ax\n mov sp, 0x7000\n';
    const end = '\n pushf\n pop bp\n hlt';
    machine.ram.write(0x7c00, assemble(setup + code + end, 0x7c00, 16));
    machine.cpu!.reset();
    expect(machine.cpu!.run()).toBe('halted');
    const register = (name: 'rax' | 'rbx' | 'rcx' | 'rdx') => Number(machine.cpu!.get(name) & 0xffffffffn);
    return {
      eax: register('rax'),
      ebx: register('rbx'),
      ecx: register('rcx'),
      edx: register('rdx'),
      carry: (machine.cpu!.get('rbp') & 1n) === 1n,
      buffer: Buffer.from(machine.ram.read(BUFFER, 28)).toString('hex'),
    };
  }

  const SMAP = 0x534d4150;
  const e820 = (ebx: number, ecx: number, edx = SMAP) =>
    run(`mov eax, 0xe820\n mov ebx, ${ebx}\n mov ecx, ${ecx}\n mov edx, ${edx}\n mov di, ${BUFFER}\n int 0x15`);
  const untouched = 'cc'.repeat(28);

  test('E820 gives 20 bytes to a caller that has room for 20', () => {
    const first = '0000000000000000' + '00fc090000000000' + '01000000';
    expect(e820(0, 20)).toMatchObject({ eax: SMAP, ebx: 1, ecx: 20, carry: false, buffer: first + 'cc'.repeat(8) });
  });
  test('E820 gives attributes to a caller that has room for 24 or more', () => {
    const second = '0000100000000000' + '0000f00300000000' + '01000000' + '01000000';
    for (const room of [24, 0x1000]) {
      expect(e820(1, room)).toMatchObject({ ebx: 2, ecx: 24, carry: false, buffer: second + 'cc'.repeat(4) });
    }
    expect(e820(1, 23)).toMatchObject({ ecx: 20, buffer: second.slice(0, 40) + 'cc'.repeat(8) });
  });
  test('E820 ends with EBX 0 at the last entry', () => {
    expect(e820(2, 20)).toMatchObject({ ebx: 0, carry: false });
  });
  test.each([
    ['a signature that is not SMAP', e820.bind(null, 0, 20, 0x50414d53)],
    ['a buffer too small', e820.bind(null, 0, 19)],
    ['a continuation beyond the last entry', e820.bind(null, 3, 20)],
    ['a continuation that only its low half makes valid', e820.bind(null, 0x10001, 20)],
  ])('E820 refuses %s', (_, call) => {
    const { carry, eax, buffer } = call();
    expect({ carry, ah: (eax >> 8) & 0xff, buffer }).toEqual({ carry: true, ah: 0x86, buffer: untouched });
  });
  test('E801 counts KiB to 16 MiB and 64 KiB units above', () => {
    const { eax, ebx, ecx, edx, carry } = run('mov ax, 0xe801\n int 0x15');
    const low = [eax & 0xffff, ecx & 0xffff];
    const high = [ebx & 0xffff, edx & 0xffff];
    expect({ low, high, carry }).toEqual({ low: [15360, 15360], high: [768, 768], carry: false });
  });
  test('88h counts KiB above 1 MiB, 63 MiB at most', () => {
    const { eax, carry } = run('stc\n mov ah, 0x88\n int 0x15');
    expect({ ax: eax & 0xffff, carry }).toEqual({ ax: 63 * 1024, carry: false });
  });
  test('an INT 15h that is not there fails with AH=86h', () => {
    const { eax, carry } = run('mov ax, 0xc0de\n int 0x15');
    expect({ ah: (eax >> 8) & 0xff, carry }).toEqual({ ah: 0x86, carry: true });
  });
  test('INT 11h and 12h read the BIOS data area', () => {
    expect(run('int 0x12').eax & 0xffff).toBe(639);
    expect(run('int 0x11').eax & 0xffff).toBe(0x200);
  });
  test('INT 10h teletype goes to the serial port and changes no register', () => {
    const { eax, ebx } = run("mov ax, 0x0e00 + 'H'\n mov bx, 7\n int 0x10\n mov al, 'i'\n int 0x10");
    expect(serial).toBe('Hi');
    expect([eax & 0xffff, ebx & 0xffff]).toEqual([0x0e00 + 'i'.charCodeAt(0), 7]);
  });
  test('INT 10h without teletype, and interrupts that nobody answers, just return', () => {
    expect(run('mov ax, 0x0003\n int 0x10\n int 0x16\n int 0x8').eax & 0xffff).toBe(3);
    expect(serial).toBe('');
  });
  test('INT 18h says that there is nothing to boot', () => {
    run('int 0x18');
    expect(serial).toBe('BIOS: nothing to boot\r\n');
  });
});

test('boot_params holds at most 128 entries, the rest hangs off setup_data', () => {
  const config = withMap(Array.from({ length: 130 }, (_, i) => entry(i * MiB, MiB, 1)));
  const machine = createMachine({ ram: config.layout.ram, backend: 'array' });
  installFirmware(machine, config, payload, 'none');
  const { ram } = machine;
  expect(ram.u8(BOOT_PARAMS + bootParams.BP_E820_ENTRIES)).toBe(128);
  const node = ram.u64(BOOT_PARAMS + bootParams.BP_SETUP_DATA);
  expect({ next: ram.u64(node), type: ram.u32(node + 8), len: ram.u32(node + 12) }).toEqual({
    next: 0,
    type: 1,
    len: 2 * 20,
  });
  expect(ram.u64(node + 16)).toBe(128 * MiB);
});
