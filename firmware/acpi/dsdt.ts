// DSDT, the devices that nothing else describes: the PCI root, the serial port, and how to switch off. Far less than
// QEMU's: what is not here is nothing that memory management reads.

import type { MachineType } from '../../emu/config/machine_config.ts';
import { SLP_TYP_S5 } from '../../emu/devices/acpi_pm.ts';
import { COM1, UART_PORTS } from '../../emu/devices/uart16550.ts';
import { buffer, device, eisaId, integer, join, named, packageOf, scope } from './aml.ts';
import { Bytes } from './bytes.ts';
import { table } from './header.ts';

const COM1_IRQ = 4;

export function dsdt(type: MachineType): Uint8Array {
  const pciRoot =
    type === 'q35'
      ? [named('_HID', eisaId('PNP0A08')), named('_CID', eisaId('PNP0A03'))]
      : [named('_HID', eisaId('PNP0A03'))];
  const serialPort = device('COM1', [
    named('_HID', eisaId('PNP0501')),
    named('_UID', integer(1)),
    named('_CRS', buffer(resources())),
  ]);
  const sleep = packageOf([SLP_TYP_S5, SLP_TYP_S5, 0, 0].map(integer));
  return table(
    'DSDT',
    1,
    join([named('_S5', sleep), scope('_SB', [device('PCI0', [...pciRoot, named('_UID', integer(0)), serialPort])])]),
  );
}

/** ACPI 6.5, 6.4.2: an I/O range that decodes 16 bits, an interrupt, the end. */
const resources = (): Uint8Array =>
  new Bytes()
    .u8(0x47, 1)
    .u16(COM1)
    .u16(COM1)
    .u8(0, UART_PORTS)
    .u8(0x22)
    .u16(1 << COM1_IRQ)
    .u8(0x79, 0)
    .take();
