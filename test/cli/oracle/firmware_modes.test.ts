// The ROM on the emulated CPU and TypeScript in its place: same map, same tables, same log, same free lists. A few cases
// always, every recorded case with PGDAT_SOAK=1; skipped where there is no engine or no assembled ROM.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bootResult } from '../../../cli/boot_result.ts';
import { bootLab } from '../../../cli/lab.ts';
import { readBootCase } from '../../../cli/oracle/boot_case.ts';
import { parseCase } from '../../../cli/oracle/case_file.ts';
import { checkBoot } from '../../../cli/oracle/index.ts';
import { parseQemuOptions } from '../../../emu/config/qemu_options.ts';
import { unicornLibrary } from '../../../emu/unicorn/library.ts';
import type { FirmwareMode } from '../../../firmware/install.ts';
import { debian } from '../../../kernel/config.ts';

const folder = new URL('../../golden/boot/', import.meta.url);
const all = readdirSync(folder).filter((name) => name.endsWith('.json'));
const names = process.env['PGDAT_SOAK'] ? all : ['uma-256m.json', 'numa2-1g.json', 'fw-slit-bad.json'];
const read = (name: string) => readBootCase(parseCase(readFileSync(new URL(name, folder)), name).fields);

function hasCpu(): boolean {
  try {
    unicornLibrary();
    return existsSync(new URL('../../../build/bios.bin', import.meta.url));
  } catch {
    return false;
  }
}

/** All that a boot comes to, with our own reservations: those depend on the firmware too. */
function result(name: string, firmware: FirmwareMode): object {
  const { qemu, cmdline } = read(name);
  const parsed = parseQemuOptions(qemu);
  if ('errors' in parsed) throw new Error(parsed.errors.join());
  const lab = bootLab({ machine: parsed.config, kernel: debian, cmdline, firmware });
  try {
    return bootResult(lab.kernel);
  } finally {
    lab.machine.close();
  }
}

describe.skipIf(!hasCpu())('on the emulated CPU (skipped without Unicorn or nasm)', () => {
  it.each(names)('%s agrees with what was recorded', (name) => {
    expect(checkBoot(read(name), 'bios')).toBeNull();
  });
  it.each(names)('%s ends as without a CPU, the log included', (name) => {
    expect(result(name, 'bios')).toEqual(result(name, 'none'));
  });
});
