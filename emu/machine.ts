// A PC put together: memory, ports with their devices, and a CPU if wanted. What it is to run is the firmware's business.

import { Clock } from './clock.ts';
import { Cpu } from './cpu.ts';
import { AcpiPm, PM_BASE, PM_PORTS, RESET_PORT, ResetRegister } from './devices/acpi_pm.ts';
import { DEBUGCON_PORT, DebugConsole } from './devices/debugcon.ts';
import { DISK_PORTS, Disk, type DiskSpec } from './devices/disk.ts';
import { COM1, UART_PORTS, Uart16550 } from './devices/uart16550.ts';
import { EngineError } from './engine.ts';
import { type AddressRange, PhysicalMemory } from './memory.ts';
import { Ports } from './ports.ts';
import { resetStub } from './reset_stub.ts';
import { UnicornEngine } from './unicorn/engine.ts';
import { unicornLibrary } from './unicorn/library.ts';

const ROM_END = 0x100000000;
const BIOS_SEGMENT: AddressRange = { start: 0xf0000, end: 0x100000 };
/** Where disks are, in order; drivers look there. */
export const DISK_BASE = 0xd000;
export const MAX_DISKS = 8;
/** The top 64 KiB below 4 GiB, where the reset vector is. */
const DEFAULT_ROM: AddressRange = { start: 0xffff0000, end: ROM_END };

export interface MachineSpec {
  /** Where RAM is, in whole 4 KiB pages. */
  readonly ram: readonly AddressRange[];
  /** Where ROM is; written with ram.program(). Default: 64 KiB below 4 GiB. */
  readonly rom?: readonly AddressRange[];
  /** 'array': no CPU, plain memory, on any host. 'unicorn': memory shared with an emulated CPU. */
  readonly backend: 'array' | 'unicorn';
  /** At most MAX_DISKS, empty. */
  readonly disks?: readonly DiskSpec[];
  /** Each character that the serial port sends, as it is sent. */
  readonly onSerial?: (text: string) => void;
  readonly onDebug?: (text: string) => void;
  /** Told once of each port that is used and that no device claims. */
  readonly onUnclaimedPort?: (port: number) => void;
}

export interface Machine {
  readonly ram: PhysicalMemory;
  readonly ports: Ports;
  readonly clock: Clock;
  readonly disks: readonly Disk[];
  /** null on the 'array' backend. */
  readonly cpu: Cpu | null;
  /** Software switched the machine off: the CPU has stopped. */
  readonly poweredOff: boolean;
  /** Software asked for a reset: the CPU has stopped, reset() does it. */
  readonly resetRequested: boolean;
  /** Power-on or the reset button: RAM keeps what it holds, but for the BIOS's segment; the CPU is at the reset vector. */
  reset(): void;
  /** Gives the engine and its memory back. The machine is dead afterwards. */
  close(): void;
}

/** @throws EngineError if there is no engine for the 'unicorn' backend; the text is for the user */
export function createMachine(spec: MachineSpec): Machine {
  const rom = spec.rom ?? [DEFAULT_ROM];
  const clock = new Clock();
  const ports = new Ports(spec.onUnclaimedPort);
  const state = { poweredOff: false, resetRequested: false };
  const { ram, cpu, close } =
    spec.backend === 'unicorn'
      ? withCpu(spec.ram, rom, ports)
      : { ram: new PhysicalMemory(spec.ram, rom), cpu: null, close: () => {} };

  const ignore = () => {};
  const powerOff = () => {
    state.poweredOff = true;
    cpu?.stop();
  };
  const requestReset = () => {
    state.resetRequested = true;
    cpu?.stop();
  };
  ports.claim(COM1, UART_PORTS, new Uart16550(COM1, spec.onSerial ?? ignore));
  ports.claim(DEBUGCON_PORT, 1, new DebugConsole(spec.onDebug ?? ignore));
  ports.claim(PM_BASE, PM_PORTS, new AcpiPm(PM_BASE, clock, powerOff));
  ports.claim(RESET_PORT, 1, new ResetRegister(requestReset));

  const disks = (spec.disks ?? []).slice(0, MAX_DISKS).map((disk, n) => {
    const device = new Disk(DISK_BASE + n * DISK_PORTS, ram, disk);
    ports.claim(DISK_BASE + n * DISK_PORTS, DISK_PORTS, device);
    return device;
  });

  const reset = () => {
    state.poweredOff = false;
    state.resetRequested = false;
    showBios(ram);
    cpu?.reset();
  };

  return {
    ram,
    ports,
    clock,
    disks,
    cpu,
    reset,
    get poweredOff() {
      return state.poweredOff;
    },
    get resetRequested() {
      return state.resetRequested;
    },
    close,
  };
}

/**
 * Out of reset a chipset answers the BIOS's segment from the end of the ROM, and firmware copies it to RAM before it
 * makes changes there. Here it is RAM at once, with the copy in it.
 */
function showBios(ram: PhysicalMemory): void {
  const { start, end } = BIOS_SEGMENT;
  const size = end - start;
  ram.write(start, ram.read(ROM_END - size, size));
}

/** The engine comes first, as the memory is its own. */
function withCpu(ram: readonly AddressRange[], rom: readonly AddressRange[], ports: Ports) {
  if (!ram.some(({ start, end }) => start <= resetStub.start && end >= resetStub.end)) {
    throw new EngineError('a machine with a CPU needs RAM in its first 64 KiB');
  }
  const end = Math.max(...[...ram, ...rom].map((range) => range.end));
  // The hooks need the CPU, which needs the engine: they are called only while it runs, when all three exist.
  let cpu: Cpu | null = null;
  const engine = new UnicornEngine(unicornLibrary(), end, {
    interrupt: (interrupt) => cpu?.interrupt(interrupt),
    portRead: (port, size) => ports.read(port, size),
    portWrite: (port, size, value) => ports.write(port, size, value),
  });
  for (const range of ram) engine.map(range, true);
  for (const range of rom) engine.map(range, false);
  const memory = new PhysicalMemory(ram, rom, engine.backing);
  cpu = new Cpu(engine, memory);
  return { ram: memory, cpu, close: () => engine.close() };
}
