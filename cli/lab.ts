// Composition: a machine, its firmware and a kernel, put together and booted. The one place where the three meet.

import { existsSync, readFileSync } from 'node:fs';
import type { MachineConfig } from '../emu/config/machine_config.ts';
import type { DiskSpec } from '../emu/devices/disk.ts';
import { createMachine, type Machine } from '../emu/machine.ts';
import { type FirmwareMode, installFirmware, type Payload, romOf } from '../firmware/install.ts';
import type { KernelConfig } from '../kernel/config.ts';
import { start_kernel } from '../kernel/init/main.ts';
import { Kernel, type RecordedReservations } from '../kernel/kernel.ts';
import { KernelBug, KernelPanic } from '../kernel/lib/bug.ts';

export interface LabSpec {
  readonly machine: MachineConfig;
  readonly kernel: KernelConfig;
  readonly cmdline: string;
  /** bios: the CPU runs the ROM from the reset vector. none: TypeScript leaves in RAM what the ROM would. */
  readonly firmware: FirmwareMode;
  readonly recorded?: RecordedReservations;
  /** In order; the first one is /dev/vda. */
  readonly disks?: readonly DiskSpec[];
  /** Goes no further than the end of this stage of start_kernel(). */
  readonly until?: string;
  readonly onSerial?: (text: string) => void;
  /** Once firmware has run and before the kernel does. */
  readonly onFirmwareDone?: (machine: Machine, boot_params: number) => void;
  readonly afterStage?: (stage: string, k: Kernel) => void;
}

export interface StageTime {
  readonly name: string;
  readonly ms: number;
}

export interface Lab {
  readonly machine: Machine;
  readonly kernel: Kernel;
  /** How the boot ended early; null: it did not. */
  readonly stopped: KernelPanic | KernelBug | null;
  /** What each stage took of the host's time, in order. Putting the machine together and the firmware come first. */
  readonly stages: readonly StageTime[];
}

/** Leaves start_kernel() at the stage that the caller named. */
class Enough extends Error {}

/** Something that is not here is needed; the text is for the user. */
export class LabError extends Error {
  override readonly name = 'LabError';
}

/** What nasm makes of the machine code in the tree; the same path from here and from the bundle. */
const assembled = (name: string): URL => new URL(`../build/${name}`, import.meta.url);

/** The kernel as a boot loader sees it. Without nasm there is no machine code, which only a CPU would miss. */
function payloadOf({ kernel, cmdline, firmware }: LabSpec): Payload {
  const { text: load, end } = kernel.image;
  const missing = ['bios.bin', 'head_64.bin'].filter((name) => !existsSync(assembled(name)));
  if (missing.length === 0) {
    return { kernel: { load, bytes: readFileSync(assembled('head_64.bin')), entry: load, end }, cmdline };
  }
  if (firmware === 'none') return { kernel: { load, bytes: new Uint8Array(0), entry: load, end }, cmdline };
  throw new LabError(
    `the firmware's machine code is not assembled (${missing.join(', ')}): install nasm and try again, or boot with --firmware none`,
  );
}

/** @throws LabError, EngineError or GuestFault; a panic is a result, not an exception */
export function bootLab(spec: LabSpec): Lab {
  const stages: StageTime[] = [];
  let begun = performance.now();
  const lap = (name: string) => {
    const now = performance.now();
    stages.push({ name, ms: now - begun });
    begun = now;
  };
  const payload = payloadOf(spec);
  const machine = createMachine({
    ram: spec.machine.layout.ram,
    rom: fitting(() => romOf(spec.machine, payload, spec.firmware)),
    backend: spec.firmware === 'bios' ? 'unicorn' : 'array',
    disks: spec.disks ?? [],
    ...(spec.onSerial === undefined ? {} : { onSerial: spec.onSerial }),
  });
  lap('machine');
  const boot_params = runFirmware(machine, spec, payload);
  lap('firmware');
  spec.onFirmwareDone?.(machine, boot_params);

  const { gbpages, la57 } = spec.machine;
  const hw = { ram: machine.ram, ports: machine.ports, boot_params, cpu: machine.cpu, gbpages, la57 };
  const kernel = new Kernel(hw, spec.kernel, spec.recorded ?? null);
  kernel.on_stage = (name, phase) => {
    if (phase === 'begin') {
      begun = performance.now();
      return;
    }
    lap(name);
    spec.afterStage?.(name, kernel);
    if (name === spec.until) throw new Enough();
  };
  let stopped: Lab['stopped'] = null;
  try {
    start_kernel(kernel);
  } catch (error) {
    if (error instanceof KernelPanic || error instanceof KernelBug) stopped = error;
    else if (!(error instanceof Enough)) throw error;
  }
  return { machine, kernel, stopped, stages };
}

/** @returns where the boot loader left struct boot_params */
function runFirmware(machine: Machine, spec: LabSpec, payload: Payload): number {
  const { boot_params } = fitting(() => installFirmware(machine, spec.machine, payload, spec.firmware));
  if (boot_params !== null) return boot_params;
  const { cpu } = machine;
  if (cpu === null) throw new Error('a machine that runs its ROM needs a CPU');
  machine.reset();
  cpu.run();
  const { entry, bytes } = payload.kernel;
  const rip = Number(cpu.get('rip'));
  // A BIOS that cannot boot says why on the serial port and halts.
  if (rip < entry || rip > entry + bytes.length) throw new LabError('the firmware halted before it reached the kernel');
  return Number(cpu.get('rsi'));
}

/** What does not fit into the machine, the firmware says as a RangeError in words for the user. */
function fitting<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof RangeError) throw new LabError(error.message);
    throw error;
  }
}
