// Puts firmware into a machine: as a ROM that its CPU runs from the reset vector, or, for a machine without a CPU, as
// what that ROM would have left in RAM by the time the kernel is entered.

import { readFileSync } from 'node:fs';
import type { MachineConfig } from '../emu/config/machine_config.ts';
import type { Machine } from '../emu/machine.ts';
import type { AddressRange } from '../emu/memory.ts';
import { writeBootParams } from './boot_params.ts';
import { checkKernelFits, type FirmwareContents, firmwareContents, type Payload } from './contents.ts';
import { BASE_MEMORY_KIB, BDA, BOOT_PARAMS, EBDA } from './layout.ts';
import { buildRom, romRange } from './rom.ts';

export type { Payload } from './contents.ts';

/** bios: the ROM runs. none: TypeScript stands in for it. */
export type FirmwareMode = 'bios' | 'none';

/** Assembled by tools/build.mjs; the same path from here and from the bundle beside it. */
const BIOS_IMAGE = new URL('../build/bios.bin', import.meta.url);

/** ROM that a machine needs for installFirmware() with the same arguments. */
export const romOf = (config: MachineConfig, payload: Payload, mode: FirmwareMode): AddressRange[] =>
  mode === 'none' ? [] : [romRange(firmwareContents(config, payload))];

/**
 * @param machine has RAM where `config` says, and ROM where romOf() says
 * @param bios the assembled BIOS, where it is not to be read from build/
 * @throws RangeError if something has no room, in words for the user; a BIOS without RAM for the kernel says so itself
 * @returns address of struct boot_params, or null for 'bios': then the CPU finds it, and has it in RSI when it halts
 */
export function installFirmware(
  machine: Pick<Machine, 'ram'>,
  config: MachineConfig,
  payload: Payload,
  mode: FirmwareMode,
  bios?: Uint8Array,
): { boot_params: number | null } {
  const contents = firmwareContents(config, payload);
  if (mode === 'bios') {
    const rom = buildRom(contents, payload, bios ?? readFileSync(BIOS_IMAGE));
    machine.ram.program(rom.range.start, rom.bytes);
    return { boot_params: null };
  }
  checkKernelFits(contents, payload);
  leaveInRam(machine, contents, payload);
  return { boot_params: BOOT_PARAMS };
}

const BDA_COM1 = BDA;
const BDA_EBDA_SEGMENT = BDA + 0x0e;
const BDA_EQUIPMENT = BDA + 0x10;
const BDA_BASE_MEMORY_KIB = BDA + 0x13;
const COM1 = 0x3f8;
const ONE_SERIAL_PORT = 1 << 9;

function leaveInRam({ ram }: Pick<Machine, 'ram'>, contents: FirmwareContents, payload: Payload): void {
  ram.set_u16(BDA_COM1, COM1);
  ram.set_u16(BDA_EBDA_SEGMENT, EBDA >> 4);
  ram.set_u16(BDA_EQUIPMENT, ONE_SERIAL_PORT);
  ram.set_u16(BDA_BASE_MEMORY_KIB, BASE_MEMORY_KIB);
  ram.set_u8(EBDA, 1);
  for (const { address, bytes } of [...contents.post, ...contents.boot]) ram.write(address, bytes);
  writeBootParams(ram, contents.map, contents.legacy, payload.kernel.load);
}
