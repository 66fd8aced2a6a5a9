// Recorded boots of Linux 6.1 against ours: every case, and that each kind of difference is found and named.

import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bootLab, type Lab } from '../../../cli/lab.ts';
import { type BootCase, readBootCase } from '../../../cli/oracle/boot_case.ts';
import {
  type BootSnapshots,
  compareFirmware,
  compareKernel,
  noSnapshots,
  takeSnapshots,
} from '../../../cli/oracle/boot_check.ts';
import { parseCase } from '../../../cli/oracle/case_file.ts';
import { differenceText } from '../../../cli/oracle/compare.ts';
import { checkBoot } from '../../../cli/oracle/index.ts';
import { parseQemuOptions } from '../../../emu/config/qemu_options.ts';
import { recorder } from '../../../kernel/config.ts';

const folder = new URL('../../golden/boot/', import.meta.url);
const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
const raw = (name: string) => JSON.parse(readFileSync(new URL(name, folder), 'utf8'));
const bootCase = (value: unknown): BootCase =>
  readBootCase(parseCase(new TextEncoder().encode(JSON.stringify(value)), 'case.json').fields);

describe('firmware written by TypeScript', () => {
  it.each(names)('%s', (name) => {
    expect(checkBoot(bootCase(raw(name)), 'none')).toBeNull();
  });
});

describe('a difference is found in', () => {
  const name = 'uma-256m.json';
  const snapshots: BootSnapshots = noSnapshots();
  let lab: Lab;
  beforeAll(() => {
    const boot = bootCase(raw(name));
    const parsed = parseQemuOptions(boot.qemu);
    if ('errors' in parsed) throw new Error(parsed.errors.join());
    lab = bootLab({
      machine: parsed.config,
      kernel: recorder,
      cmdline: boot.cmdline,
      firmware: 'none',
      recorded: boot.reserved,
      afterStage: (stage, k) => takeSnapshots(snapshots, stage, k),
    });
  });
  afterAll(() => lab.machine.close());

  type Raw = ReturnType<typeof raw>;
  const compare = (damage: (value: Raw) => void): string => {
    const value = raw(name);
    damage(value);
    const boot = bootCase(value);
    const { machine, kernel } = lab;
    const difference =
      compareFirmware(boot, machine.ram, kernel.hw.boot_params) ?? compareKernel(boot, snapshots, kernel);
    return difference === null ? 'none' : differenceText(difference);
  };

  it('nothing that is as recorded', () => {
    expect(compare(() => {})).toBe('none');
  });

  it.each<[string, (value: Raw) => void, string]>([
    [
      'e820',
      (v) => {
        v.e820[1].end = '0x9ffff0';
      },
      'e820[1]: expected "[0x9fc00-0x9ffff0] reserved", found "[0x9fc00-0x9ffff] reserved"',
    ],
    ['an e820 entry too few', (v) => v.e820.pop(), 'e820[6]: expected nothing'],
    [
      'a table that is not there',
      (v) => {
        v.acpi.SLIT = v.acpi.APIC;
      },
      'acpi.SLIT: expected a table of 120 bytes, found no table',
    ],
    [
      'a table that should not be there',
      (v) => delete v.acpi.APIC,
      'acpi.APIC: expected no table, found a table of 120 bytes',
    ],
    [
      'memory',
      (v) => {
        v.expect.memblock_memory[0].nid = 1;
      },
      'memblock_memory[0].nid: expected 1, found 0',
    ],
    [
      'managed pages',
      (v) => v.expect.after_memblock_free_all[1].managed++,
      'zones.0 DMA32.managed: expected 55229, found 55228',
    ],
    [
      'a page frame',
      (v) => v.expect.after_memblock_free_all[0].free_lists['10/1'].reverse(),
      'zones.0 DMA.free_lists.10/1[0]: expected 3072, found 1024',
    ],
    [
      'a free list too many',
      (v) => delete v.expect.after_memblock_free_all[0].free_lists['9/1'],
      'zones.0 DMA.free_lists.9/1: expected nothing',
    ],
    [
      'pageblock types',
      (v) => {
        v.expect.after_memblock_free_all[0].blocks = '1*8';
      },
      'zones.0 DMA.blocks: expected "1*8", found "0*1 1*7"',
    ],
    ['a zone that is missing', (v) => v.expect.after_memblock_free_all.pop(), 'zones.0 Movable: expected nothing'],
    [
      'zonelists',
      (v) => {
        v.expect.zonelists[1] += ' 1:DMA';
      },
      'zonelists[1]: expected "general 0:DMA32 = 0:DMA32 0:DMA 1:DMA"',
    ],
    ['a watermark', (v) => v.expect.zoneinfo_after_boot[0].low++, 'zoneinfo.0 DMA.low: expected 39, found 38'],
    [
      'protection',
      (v) => {
        v.expect.zoneinfo_after_boot[0].protection[3] = 0;
      },
      'zoneinfo.0 DMA.protection[3]: expected 0, found 215',
    ],
    [
      'a per-cpu list',
      (v) => v.expect.zoneinfo_after_boot[1].pcp[0].batch++,
      'zoneinfo.0 DMA32.pcp[0].batch: expected 16, found 15',
    ],
    [
      'a threshold',
      (v) => {
        v.expect.zoneinfo_after_boot[1].pcp[0].stat_threshold = 5;
      },
      'zoneinfo.0 DMA32.pcp[0].stat_threshold: expected 5, found 4',
    ],
    [
      'a CPU',
      (v) => v.expect.zoneinfo_after_boot[0].pcp.push({ cpu: 1 }),
      'zoneinfo.0 DMA.pcp[1]: expected {"cpu":1}, found nothing',
    ],
    [
      'a line of the log',
      (v) => {
        v.expect.dmesg[2] += ' ';
      },
      'dmesg[2]: expected',
    ],
    ['a line that is not printed', (v) => v.expect.dmesg.push('Policy zone: Normal'), 'dmesg['],
  ])('%s', (_name, damage, text) => {
    expect(compare(damage)).toContain(text);
  });
});
