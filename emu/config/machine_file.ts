// A machine described in JSON: QEMU's options for the hardware, and what the firmware reports instead of what it would
// derive. docs/machine-file.md describes the format.

import { readFileSync } from 'node:fs';
import { type ParsedOptions, parseQemuOptions } from './qemu_options.ts';

/** @param path named in front of each error */
export function readMachineFile(path: string): ParsedOptions {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    return { errors: [`${path}: cannot be read (${(error as NodeJS.ErrnoException).code})`] };
  }
  return parseMachineFile(text, path);
}

export function parseMachineFile(text: string, path: string): ParsedOptions {
  let value: { readonly qemu?: unknown } | null;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { errors: [`${path}: not JSON: ${(error as Error).message}`] };
  }
  const qemu = value?.qemu ?? [];
  if (!Array.isArray(qemu) || qemu.some((option) => typeof option !== 'string')) {
    return { errors: [`${path}: qemu: expected a list of strings`] };
  }
  return parseQemuOptions(qemu);
}
