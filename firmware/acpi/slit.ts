// SLIT, the distances between localities (ACPI 6.5, 5.2.17): only where distances were given.

import type { MachineConfig } from '../../emu/config/machine_config.ts';
import { Bytes } from './bytes.ts';
import { table } from './header.ts';

export function slit({ slit: rows, distances }: MachineConfig): Uint8Array | null {
  const matrix = rows ?? distances;
  if (matrix === null) return null;
  const body = new Bytes().u64(matrix.length);
  for (const row of matrix) body.u8(...row);
  return table('SLIT', 1, body.take());
}
